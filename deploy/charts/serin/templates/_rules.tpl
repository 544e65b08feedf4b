{{/*
What each process may do, one rule for each thing it does. A Role where the installation is for one namespace, a ClusterRole
otherwise. The table in docs/reference/permissions.md is made from what comes of this.
*/}}

{{- define "serin.starterRules" -}}
# Canaries, and what their releases look at: a change is told to Temporal.
- apiGroups: [flagger.app]
  resources: [canaries]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [list, watch]
- apiGroups: ['']
  resources: [services]
  verbs: [list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
{{- if .Values.images.enabled }}
# Which images follow tags, for looks into registries.
- apiGroups: [serin.dev]
  resources: [imagetriggers]
  verbs: [list, watch]
{{- end }}
{{- include "serin.apiRules" (list . "starter") }}
{{- if .Values.configTracking.enabled }}
# That configuration changes. Only metadata is asked for, but no rule can say so.
- apiGroups: ['']
  resources: [configmaps, secrets]
  verbs: [list, watch]
{{- end }}
{{- end }}

{{- define "serin.workerRules" -}}
# Canaries: what they say, how their releases stand, the finalizer.
- apiGroups: [flagger.app]
  resources: [canaries]
  verbs: [get, list, patch]
- apiGroups: [flagger.app]
  resources: [canaries/status]
  verbs: [patch]
# Owner references that block deletion, where the cluster checks them (OpenShift).
- apiGroups: [flagger.app]
  resources: [canaries/finalizers]
  verbs: [update]
- apiGroups: [flagger.app]
  resources: [metrictemplates, alertproviders]
  verbs: [get]
# Targets: the primary, the scale of the target, images.
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [get, create, update, patch]
# Pod templates that were promoted.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, delete]
# Why pods do not become ready.
- apiGroups: ['']
  resources: [pods]
  verbs: [list]
- apiGroups: ['']
  resources: [services]
  verbs: [get, create, update]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, create, update]
- apiGroups: ['']
  resources: [events]
  verbs: [get, create, patch]
{{- if not .Values.rbac.secretNamespaces }}
# Credentials of MetricTemplates, AlertProviders and pods' registries, by name only.
- apiGroups: ['']
  resources: [secrets]
  verbs: [get]
{{- end }}
{{- if .Values.configTracking.enabled }}
# Configuration that pods read, and the primary's copies of it.
- apiGroups: ['']
  resources: [configmaps, secrets]
  verbs: [get, create, update, delete]
{{- end }}
{{- if .Values.images.enabled }}
# Which images follow which tags, and what pods pull them with.
- apiGroups: [serin.dev]
  resources: [imagetriggers]
  verbs: [get, list]
- apiGroups: [serin.dev]
  resources: [imagetriggers/status]
  verbs: [patch]
- apiGroups: ['']
  resources: [serviceaccounts]
  verbs: [get]
{{- end }}
{{- include "serin.apiRules" (list . "worker") }}
{{- if and .Values.images.enabled .Values.gitops.enabled }}
# GitOps tools that own an image are told to look.
- apiGroups: [kustomize.toolkit.fluxcd.io]
  resources: [kustomizations]
  verbs: [get, patch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [gitrepositories, ocirepositories, buckets]
  verbs: [patch]
- apiGroups: [image.toolkit.fluxcd.io]
  resources: [imagerepositories]
  verbs: [list, patch]
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases]
  verbs: [get, patch]
- apiGroups: [argoproj.io]
  resources: [applications]
  verbs: [patch]
{{- end }}
{{- end }}

{{/*
What a process may do with the APIs of other products that it may use, from files/apis.yaml. Argument: list $ "worker"
*/}}
{{- define "serin.apiRules" -}}
{{- $top := index . 0 }}
{{- $component := index . 1 }}
{{- range $top.Files.Get "files/apis.yaml" | fromYamlArray }}
{{- if include "serin.uses" (list $top .name) }}
# {{ .product }}
{{- range index . $component }}
- apiGroups: [{{ .group }}]
  resources: [{{ join ", " .resources }}]
  verbs: [{{ join ", " .verbs }}]
{{- end }}
{{- end }}
{{- end }}
{{- end }}
