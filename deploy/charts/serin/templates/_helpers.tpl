{{- define "serin.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Names of objects begin with it: the release, and the chart where the release is called otherwise. */}}
{{- define "serin.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "serin.name" .) .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "serin.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels of an object. Argument: dict "root" $ "component" "worker"; the component may be left out. */}}
{{- define "serin.labels" -}}
{{ include "serin.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end }}

{{- define "serin.selectorLabels" -}}
app.kubernetes.io/name: {{ include "serin.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- if .component }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end }}

{{/* Argument: dict "root" $ "component" "worker" */}}
{{- define "serin.serviceAccount" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{ default (printf "%s-%s" (include "serin.fullname" .root) .component) $account.name }}
{{- else -}}
{{ required (printf "%s.serviceAccount.name is needed when %s.serviceAccount.create is false" .component .component) $account.name }}
{{- end }}
{{- end }}

{{- define "serin.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "serin.temporalAddress" -}}
{{- if .Values.temporal.address -}}
{{ .Values.temporal.address }}
{{- else if .Values.temporalServer.enabled -}}
{{ .Release.Name }}-temporal.{{ .Release.Namespace }}.svc:7233
{{- else -}}
{{ required "temporal.address is needed: host and port of your Temporal frontend; or set temporalServer.enabled for one to try things with" .Values.temporal.address }}
{{- end }}
{{- end }}

{{/* Secret with the kubeconfig of the mesh's control plane; Flagger's chart called it istio.kubeconfig once. */}}
{{- define "serin.meshSecret" -}}
{{ .Values.controlplane.kubeconfig.secretName | default .Values.istio.kubeconfig.secretName }}
{{- end }}

{{- define "serin.meshKey" -}}
{{- if .Values.controlplane.kubeconfig.secretName -}}
{{ .Values.controlplane.kubeconfig.key }}
{{- else -}}
{{ .Values.istio.kubeconfig.key }}
{{- end }}
{{- end }}

{{/* What worker and starter both read, as the data of a ConfigMap. Only what is said: defaults are the program's. */}}
{{- define "serin.settings" -}}
TEMPORAL_ADDRESS: {{ include "serin.temporalAddress" . | quote }}
TEMPORAL_NAMESPACE: {{ .Values.temporal.namespace | quote }}
{{- with .Values.temporal.tls.serverName }}
TEMPORAL_TLS_SERVER_NAME: {{ . | quote }}
{{- end }}
{{- if .Values.temporal.tls.enabled }}
TEMPORAL_TLS: 'true'
{{- end }}
{{- if .Values.temporal.tls.secretName }}
TEMPORAL_TLS_CLIENT_CERT_PATH: /etc/serin/temporal-tls/tls.crt
TEMPORAL_TLS_CLIENT_KEY_PATH: /etc/serin/temporal-tls/tls.key
{{- if .Values.temporal.tls.authority }}
TEMPORAL_TLS_SERVER_CA_CERT_PATH: /etc/serin/temporal-tls/ca.crt
{{- end }}
{{- end }}
SERIN_TASK_QUEUE: {{ .Values.temporal.taskQueue | quote }}
SERIN_PROVIDERS: {{ join "," .Values.providers | default "none" | quote }}
SERIN_METRICS_SERVER: {{ .Values.metricsServer | quote }}
SERIN_CONFIG_TRACKING: {{ .Values.configTracking.enabled | quote }}
SERIN_LOG_LEVEL: {{ .Values.logLevel | quote }}
{{- range $name, $value := dict
  "SERIN_MESH_PROVIDER" .Values.meshProvider
  "SERIN_NAMESPACE" .Values.namespace
  "SERIN_SELECTOR_LABELS" .Values.selectorLabels
  "SERIN_INCLUDE_LABEL_PREFIX" .Values.includeLabelPrefix
  "SERIN_CLUSTER_NAME" .Values.clusterName
  "SERIN_SLACK_USER" .Values.slack.user
  "SERIN_SLACK_CHANNEL" .Values.slack.channel
  "SERIN_KUBERNETES_QPS" .Values.kubeconfigQPS
  "SERIN_KUBERNETES_BURST" .Values.kubeconfigBurst
  "SERIN_AUDIT_SINK" .Values.auditSink
}}
{{- if $value }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- if .Values.noCrossNamespaceRefs }}
SERIN_NO_CROSS_NAMESPACE_REFS: 'true'
{{- end }}
{{- if .Values.people.verified }}
SERIN_VERIFIED_ACTORS: 'true'
{{- end }}
{{- if .Values.people.issuers }}
SERIN_TOKEN_ISSUERS: /etc/serin/people/issuers.json
{{- end }}
{{- if .Values.receivers.secretName }}
SERIN_RECEIVERS: /etc/serin/receivers/{{ .Values.receivers.key }}
{{- end }}
{{- if include "serin.meshSecret" . }}
SERIN_MESH_KUBECONFIG: /etc/serin/mesh/{{ include "serin.meshKey" . }}
{{- end }}
{{- if not .Values.controlplane.cleanup }}
SERIN_MESH_CLEANUP: 'false'
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{/* Values that are secrets and were given as such; better ones are in a Secret of yours, by `env` or `credentials`. */}}
{{- define "serin.secretSettings" -}}
{{- range $name, $value := dict
  "SLACK_URL" .Values.slack.url
  "SLACK_PROXY_URL" (.Values.slack.proxyUrl | default .Values.slack.proxy)
  "MSTEAMS_URL" .Values.msteams.url
  "MSTEAMS_PROXY_URL" (.Values.msteams.proxyUrl | default (index .Values.msteams "proxy-url"))
  "EVENT_WEBHOOK_URL" .Values.eventWebhook
}}
{{- if $value }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Files of Secrets and ConfigMaps, where they are mounted, and what to write. Argument: the root. */}}
{{- define "serin.volumes" -}}
- name: tmp
  emptyDir: {}
{{- with .Values.receivers.secretName }}
- name: receivers
  secret:
    secretName: {{ . }}
{{- end }}
{{- with include "serin.meshSecret" . }}
- name: mesh
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.temporal.tls.secretName }}
- name: temporal-tls
  secret:
    secretName: {{ . }}
{{- end }}
{{- if .Values.people.issuers }}
- name: people
  configMap:
    name: {{ include "serin.fullname" . }}-people
{{- end }}
{{- with .Values.additionalVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "serin.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.receivers.secretName }}
- name: receivers
  mountPath: /etc/serin/receivers
  readOnly: true
{{- end }}
{{- if include "serin.meshSecret" . }}
- name: mesh
  mountPath: /etc/serin/mesh
  readOnly: true
{{- end }}
{{- if .Values.temporal.tls.secretName }}
- name: temporal-tls
  mountPath: /etc/serin/temporal-tls
  readOnly: true
{{- end }}
{{- if .Values.people.issuers }}
- name: people
  mountPath: /etc/serin/people
  readOnly: true
{{- end }}
{{- with .Values.additionalVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where the settings of a pod come from. Later ones win. */}}
{{- define "serin.envFrom" -}}
- configMapRef:
    name: {{ include "serin.fullname" . }}
{{- if include "serin.secretSettings" . }}
- secretRef:
    name: {{ include "serin.fullname" . }}-settings
{{- end }}
- secretRef:
    name: {{ .Values.credentials.secretName | default (include "serin.fullname" .) }}
    optional: true
{{- end }}

{{/* Pods are replaced when what they read at their start changes. */}}
{{- define "serin.podAnnotations" -}}
{{- $all := dict "prometheus.io/scrape" "true" "prometheus.io/port" "8080" }}
{{- $all = mustMerge (dict) (index .root.Values .component).podAnnotations .root.Values.podAnnotations $all -}}
checksum/settings: {{ printf "%s%s%s" (include "serin.settings" .root) (include "serin.secretSettings" .root) (toJson .root.Values.people) | sha256sum | trunc 16 }}
{{ toYaml $all }}
{{- end }}

{{/* What is the same in the pods of worker and starter. Argument: dict "root" $ "component" "worker" */}}
{{- define "serin.podCommon" -}}
{{- $own := index .root.Values .component -}}
serviceAccountName: {{ include "serin.serviceAccount" . }}
# Or a Service called serin would set SERIN_PORT.
enableServiceLinks: false
{{- with .root.Values.image.pullSecret }}
imagePullSecrets:
  - name: {{ . }}
{{- end }}
{{- with .root.Values.podPriorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector | default .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations | default .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "serin.selectorLabels" . | nindent 8 }}
volumes:
  {{- include "serin.volumes" .root | nindent 2 }}
{{- end }}

{{- define "serin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Whether an API of another product may be used. Argument: list $ "istio" */}}
{{- define "serin.uses" -}}
{{- if has (index . 1) (index . 0).Values.providers }}yes{{ end -}}
{{- end }}
