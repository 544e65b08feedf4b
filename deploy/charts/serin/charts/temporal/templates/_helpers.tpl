{{/* What clients connect to. A release's name has 53 characters at most, so this fits into the 63 of a Service. */}}
{{- define "temporal.name" -}}
{{ .Release.Name }}-temporal
{{- end }}

{{/* Shorter: the name of a StatefulSet is part of a label with a hash behind it, which leaves it 52. */}}
{{- define "temporal.database" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}-temporal-db
{{- end }}

{{- define "temporal.selector" -}}
app.kubernetes.io/name: temporal
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "temporal.labels" -}}
{{ include "temporal.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: serin
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "temporal.image" -}}
image: {{ printf "%s:%s" .repository .tag | quote }}
imagePullPolicy: {{ .pullPolicy }}
{{- end }}

{{/* All that pods have in common; `user` is the number of the image's own user. */}}
{{- define "temporal.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "temporal.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Where PostgreSQL is and who asks: the chart's own or yours, in one shape. */}}
{{- define "temporal.store" -}}
{{- with .Values.postgresql }}
{{- if .external.host }}
host: {{ .external.host | quote }}
port: {{ .external.port }}
user: {{ .external.user | quote }}
secret: {{ required "postgresql.external.existingSecret is needed with postgresql.external.host" .external.existingSecret | quote }}
key: {{ .external.passwordKey | quote }}
database: {{ .external.database | quote }}
visibilityDatabase: {{ .external.visibilityDatabase | quote }}
create: {{ .external.createDatabases }}
tls: {{ .external.tls.enabled }}
verifyHost: {{ .external.tls.verifyHost }}
caSecret: {{ ternary .external.tls.caSecret "" .external.tls.enabled | quote }}
{{- else }}
host: {{ include "temporal.database" $ }}
port: 5432
user: temporal
secret: {{ .existingSecret | default (include "temporal.database" $) | quote }}
key: password
database: temporal
visibilityDatabase: temporal_visibility
create: true
tls: false
verifyHost: true
caSecret: ''
{{- end }}
{{- end }}
{{- end }}

{{/* The password from its Secret, under the name that a program reads. */}}
{{- define "temporal.password" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .store.secret }}
      key: {{ .store.key }}
{{- end }}
