-- An Application of an app-of-apps fares as its own objects do. Argo CD leaves this out by default, and a sync wave
-- then would not wait for it.
local health = (obj.status or {}).health or {}
return {status = health.status or "Progressing", message = health.message or ""}
