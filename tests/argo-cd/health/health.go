// Package health runs Argo CD's health checks in Lua as Argo CD does: on the same Lua, with the same few libraries, the
// object in the global `obj`, and a table with `status` and `message` as the answer. Argo CD's own package brings the
// rest of Argo CD with it; this is what of it decides.
package health

import (
	"encoding/json"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

// Health is what a script answers.
type Health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// Judge runs a script on an object.
func Judge(script string, object map[string]any) (Health, error) {
	plain, err := asJSONHasIt(object)
	if err != nil {
		return Health{}, err
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	// What Argo CD opens unless a script is given all libraries.
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
		lua.MathLibName:   lua.OpenMath,
	} {
		call := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return Health{}, err
		}
	}
	state.SetGlobal("obj", luajson.DecodeValue(state, plain))
	if err := state.DoString(script); err != nil {
		return Health{}, err
	}
	text, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return Health{}, err
	}
	var answer Health
	err = json.Unmarshal(text, &answer)
	return answer, err
}

// What a client of Kubernetes holds has whole numbers of Go's own, which would come to nil in Lua.
func asJSONHasIt(object map[string]any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var plain map[string]any
	err = json.Unmarshal(text, &plain)
	return plain, err
}
