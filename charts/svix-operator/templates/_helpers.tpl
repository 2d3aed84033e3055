{{- /* Names, labels, and the parts that both Deployments share. */ -}}

{{- define "svix-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* At most 40 characters, because names such as <fullname>-webhook-selfsigned are limited to 63. */ -}}
{{- define "svix-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "svix-operator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "svix-operator.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "svix-operator.webhookName" -}}
{{ include "svix-operator.fullname" . }}-webhook
{{- end }}

{{- /*
The Secret with the sidecar's certificates. cert-manager uses a Secret of another name, because both would overwrite it.
*/ -}}
{{- define "svix-operator.tlsSecret" -}}
{{ include "svix-operator.webhookName" . }}-{{ ternary "cert" "tls" .Values.webhook.certManager.enabled }}
{{- end }}

{{- define "svix-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "svix-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "svix-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "svix-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: svix-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /*
Selects the Pods that serve admission, those of the operator or of the separate webhook. It does not select by component,
because both Deployments serve while one replaces the other.
*/ -}}
{{- define "svix-operator.admissionLabel" -}}
svix-operator.dev/serves: admission
{{- end }}

{{- /* The update strategy of the Deployments. */ -}}
{{- define "svix-operator.strategy" -}}
{{- if .Values.strategy -}}
{{ toYaml .Values.strategy }}
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: {{ ternary 0 1 .Values.hostNetwork }}
  maxUnavailable: {{ ternary 1 0 .Values.hostNetwork }}
{{- end -}}
{{- end }}

{{- define "svix-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "svix-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- /* The ServiceAccount of the sidecar: that of the Pod, unless it has a separate Deployment. */ -}}
{{- define "svix-operator.webhookServiceAccountName" -}}
{{- if not .Values.webhook.separate -}}
{{- include "svix-operator.serviceAccountName" . -}}
{{- else if .Values.webhook.serviceAccount.create -}}
{{- default (include "svix-operator.webhookName" .) .Values.webhook.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.webhook.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- /* The ServiceAccount of a binding. Parameters: root, name. */ -}}
{{- define "svix-operator.subject" -}}
- kind: ServiceAccount
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- define "svix-operator.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{- /* Rejects values that render but do not work. */ -}}
{{- define "svix-operator.check" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) -}}
{{- fail "replicas: without leaderElection.enabled only one replica is possible, because two would write to Svix at the same time; set replicas to 1, or leaderElection.enabled to true" -}}
{{- end -}}
{{- if and .Values.secrets.namespaces .Values.watchNamespaces -}}
{{- range .Values.secrets.namespaces -}}
{{- if not (has . $.Values.watchNamespaces) -}}
{{- fail (printf "secrets.namespaces: %q is not in watchNamespaces, so the operator would never read a Secret there; add it to watchNamespaces or remove it here" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.webhook.certManager.enabled (not .Values.webhook.enabled) -}}
{{- fail "webhook.certManager.enabled: there is no webhook that needs certificates; set webhook.enabled to true" -}}
{{- end -}}
{{- end }}

{{- /* Environment variables of both commands. */ -}}
{{- define "svix-operator.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: SVIX_OPERATOR_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: SVIX_OPERATOR_LOG
  value: {{ .Values.log.level | quote }}
- name: SVIX_OPERATOR_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
{{- with .Values.watchNamespaces }}
- name: SVIX_OPERATOR_WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{- define "svix-operator.probes" -}}
{{- /* Succeeds while the process responds. A process that does not respond for a minute hangs and is restarted. */ -}}
livenessProbe:
  httpGet:
    path: /livez
    port: {{ .port }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- /*
Succeeds when the caches of Kubernetes objects are filled and, for the webhook, the API server can trust its certificate.
It depends neither on being the leader nor on Svix.
*/}}
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ .port }}
  initialDelaySeconds: 1
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
{{- end }}

{{- define "svix-operator.operatorContainer" -}}
- name: operator
  image: {{ include "svix-operator.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
  - run
  - --health-addr=0.0.0.0:{{ .Values.operator.healthPort }}
  - --concurrency={{ .Values.operator.concurrency }}
  - --call-timeout={{ .Values.operator.callTimeoutSeconds }}
  {{- if .Values.leaderElection.enabled }}
  - --lease={{ include "svix-operator.fullname" . }}
  - --lease-duration={{ .Values.leaderElection.leaseDurationSeconds }}
  {{- else }}
  - --no-leader-election
  {{- end }}
  {{- with .Values.operator.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  env:
  {{- include "svix-operator.env" . | nindent 2 }}
  {{- with .Values.operator.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.operator.extraEnvFrom }}
  envFrom:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  - name: metrics
    containerPort: {{ .Values.operator.healthPort }}
    protocol: TCP
  {{- include "svix-operator.probes" (dict "port" "metrics") | nindent 2 }}
  {{- with .Values.operator.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.operator.extraVolumeMounts }}
  volumeMounts:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "svix-operator.webhookContainer" -}}
- name: webhook
  image: {{ include "svix-operator.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
  - webhook
  - --admission-listen=0.0.0.0:{{ .Values.webhook.port }}
  - --health-addr=0.0.0.0:{{ .Values.webhook.healthPort }}
  - --shutdown-delay={{ .Values.webhook.shutdownDelay }}
  {{- if .Values.webhook.certManager.enabled }}
  - --tls-cert-dir=/tls
  {{- else }}
  - --webhook-configuration={{ include "svix-operator.fullname" . }}
  - --webhook-service={{ include "svix-operator.webhookName" . }}
  - --tls-secret={{ include "svix-operator.tlsSecret" . }}
  - --tls-lifetime={{ .Values.webhook.certificates.lifetime }}
  - --ca-lifetime={{ .Values.webhook.certificates.caLifetime }}
  - --webhook-lease={{ include "svix-operator.webhookName" . }}
  {{- end }}
  {{- with .Values.webhook.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  env:
  {{- include "svix-operator.env" . | nindent 2 }}
  {{- with .Values.webhook.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.webhook.extraEnvFrom }}
  envFrom:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  - name: admission
    containerPort: {{ .Values.webhook.port }}
    protocol: TCP
  - name: webhook-metrics
    containerPort: {{ .Values.webhook.healthPort }}
    protocol: TCP
  {{- include "svix-operator.probes" (dict "port" "webhook-metrics") | nindent 2 }}
  {{- with .Values.webhook.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if or .Values.webhook.certManager.enabled .Values.webhook.extraVolumeMounts }}
  volumeMounts:
  {{- if .Values.webhook.certManager.enabled }}
  - name: tls
    mountPath: /tls
    readOnly: true
  {{- end }}
  {{- with .Values.webhook.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}

{{- /*
The Pod template of a Deployment. Parameters: root, component, serviceAccountName, containers (text), webhook (whether one
of them is the webhook).
*/ -}}
{{- define "svix-operator.podTemplate" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $component := .component -}}
metadata:
  labels:
    {{- include "svix-operator.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
    {{- if .webhook }}
    {{- include "svix-operator.admissionLabel" $root | nindent 4 }}
    {{- end }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- /* The container that `kubectl logs` and `kubectl exec` select by default. */}}
    kubectl.kubernetes.io/default-container: {{ $component }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .serviceAccountName }}
  automountServiceAccountToken: true
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $values.schedulerName }}
  schedulerName: {{ . }}
  {{- end }}
  {{- if $values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with (default (ternary "ClusterFirstWithHostNet" "" $values.hostNetwork) $values.dnsPolicy) }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with $values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- with $values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.initContainers }}
  initContainers:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  containers:
  {{- .containers | nindent 2 }}
  {{- with $values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- $tls := and .webhook $values.webhook.certManager.enabled }}
  {{- if or $tls $values.extraVolumes }}
  volumes:
  {{- if $tls }}
  - name: tls
    secret:
      secretName: {{ include "svix-operator.tlsSecret" $root }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.topologySpreadConstraints }}
  topologySpreadConstraints:
  {{- range $values.topologySpreadConstraints }}
  - {{ toYaml . | indent 4 | trim }}
    {{- if not .labelSelector }}
    labelSelector:
      matchLabels:
        {{- include "svix-operator.selectorLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $component }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end }}
