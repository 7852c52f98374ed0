{{- define "alertsync.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains "alertsync" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-alertsync" (.Release.Name | trunc 40 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* The name is always alertsync: it is the job by which the alerting rules and the dashboard know it. */}}
{{- define "alertsync.selectorLabels" -}}
app.kubernetes.io/name: alertsync
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "alertsync.labels" -}}
{{ include "alertsync.selectorLabels" . }}
{{ include "alertsync.commonLabels" . }}
{{- end -}}

{{- define "alertsync.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "alertsync.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "alertsync.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- include "alertsync.fullname" . -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* A setting as text: YAML's numbers reach a template as fractions, and large ones would be written with an exponent. */}}
{{- define "alertsync.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "alertsync.secretName" -}}
{{- .Values.secret.existing | default (include "alertsync.fullname" .) -}}
{{- end -}}

{{/* The keys of the Secret, with commas between them; empty if there is none. */}}
{{- define "alertsync.secretKeys" -}}
{{- if .Values.secret.values -}}
{{- keys .Values.secret.values | sortAlpha | join "," -}}
{{- else if .Values.secret.existing -}}
{{- .Values.secret.keys | join "," -}}
{{- end -}}
{{- end -}}

{{/* What the container and `helm test` are told: settings first, then secrets. */}}
{{- define "alertsync.env" -}}
{{- $root := . -}}
envFrom:
  - configMapRef:
      name: {{ include "alertsync.fullname" . }}
{{- $keys := compact (splitList "," (include "alertsync.secretKeys" .)) }}
{{- if or $keys .Values.database.existingSecret }}
env:
  {{- range $keys }}
  {{- if eq $root.Values.secret.as "files" }}
  - name: {{ . }}_FILE
    value: /etc/alertsync/secrets/{{ . }}
  {{- else }}
  - name: {{ . }}
    valueFrom:
      secretKeyRef:
        name: {{ include "alertsync.secretName" $root }}
        key: {{ . }}
  {{- end }}
  {{- end }}
  {{- with .Values.database.existingSecret }}
  {{- if eq $root.Values.secret.as "files" }}
  - name: DATABASE_URL_FILE
    value: /etc/alertsync/database/DATABASE_URL
  {{- else }}
  - name: DATABASE_URL
    valueFrom:
      secretKeyRef:
        name: {{ . }}
        key: {{ $root.Values.database.key }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Mounts of secrets, and of whatever the values add. */}}
{{- define "alertsync.mounts" -}}
{{- if eq .Values.secret.as "files" }}
{{- if include "alertsync.secretKeys" . }}
- name: secrets
  mountPath: /etc/alertsync/secrets
  readOnly: true
{{- end }}
{{- if .Values.database.existingSecret }}
- name: database
  mountPath: /etc/alertsync/database
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "alertsync.volumes" -}}
{{- if eq .Values.secret.as "files" }}
{{- with compact (splitList "," (include "alertsync.secretKeys" .)) }}
- name: secrets
  secret:
    secretName: {{ include "alertsync.secretName" $ }}
    defaultMode: 288 # 0440
    items:
      {{- range . }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end }}
{{- with .Values.database.existingSecret }}
- name: database
  secret:
    secretName: {{ . }}
    defaultMode: 288 # 0440
    items:
      - key: {{ $.Values.database.key }}
        path: DATABASE_URL
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "alertsync.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "alertsync.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Refuses what would lose a page, or let in strangers. */}}
{{- define "alertsync.check" -}}
{{- $database := .Values.database.existingSecret -}}
{{- $settings := .Values.settings -}}
{{- if and (gt (int .Values.replicas) 1) (not $database) -}}
{{- fail (printf "\n\nreplicas is %d, but without a database two pods do not know of each other, and may page twice: set database.existingSecret to a Secret with the URL of a PostgreSQL, or replicas to 1.\n" (int .Values.replicas)) -}}
{{- end -}}
{{- if and (not $database) (not .Values.persistence.enabled) -}}
{{- if or (ne (toString (get $settings "ON_SILENCED")) "report") (eq (toString (get $settings "ON_GONE")) "resolve") -}}
{{- fail "\n\npersistence.enabled is false and there is no database, so every restart would forget what must be paged again: keep the volume, set database.existingSecret, or resolve nothing (settings.ON_SILENCED: report, and no ON_GONE: resolve).\n" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secret.existing .Values.secret.values -}}
{{- fail "\n\nsecret.existing and secret.values are both set: which of them counts? Keep one.\n" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "\n\ningress.enabled is true, but ingress.host is empty: at which host do people find alertsync?\n" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.open) -}}
{{- $keys := splitList "," (include "alertsync.secretKeys" .) -}}
{{- if not (or (get $settings "WEB_USERNAME") (get $settings "TRIGGER_TOKEN_FILE") (has "TRIGGER_TOKEN" $keys)) -}}
{{- fail "\n\ningress.enabled is true, and nothing says who may use alertsync: anybody who reaches the Ingress could read alerts and lift brakes. Set settings.WEB_USERNAME and WEB_PASSWORD in the secret, or TRIGGER_TOKEN in the secret. If a proxy in front asks who they are, set ingress.open to true.\n" -}}
{{- end -}}
{{- end -}}
{{- end -}}
