{{- /* A field as a line of a table. The comment's sentence that starts with "Unset:" has a column of its own. */ -}}

{{- define "row" }}
{{- $doc := regexReplaceAll "\\s+" .field.Doc " " }}
{{- $unset := regexFind "Unset: .+?[.]( |$)" $doc }}
{{- $doc = replace $unset "" $doc | trim }}
{{- $doc = trimPrefix (print .field.Name " ") $doc }}
{{- if not (hasPrefix "says that " $doc) }}{{ $doc = regexReplaceAll "^(is|are|says?) " $doc "" }}{{ end }}
{{- $doc = $doc | replace "|" "\\|" }}
{{- if index .field.Markers "required" }}{{ $unset = "*required*" }}{{ end }}
{{- $unset = trimPrefix "Unset: " $unset | trim | trimSuffix "." | replace "|" "\\|" -}}
| `{{ .field.Name }}` | {{ template "type" . }} | {{ $doc }} | {{ $unset }} | {{ template "validation" .field }} |
{{- end -}}

{{- /* A field's type in words. Kind 4 is a pointer, 5 a list. */ -}}
{{- define "type" }}
{{- $many := eq .field.Type.Kind 5 }}
{{- $of := .field.Type }}
{{- if or $many (eq $of.Kind 4) }}{{ $of = $of.UnderlyingType }}{{ end }}
{{- $anchor := regexReplaceAll "[^a-z0-9]" (lower (print .path .field.Name)) "" }}
{{- if $many }}list of {{ end }}
{{- if $of.EnumValues }}{{ range $i, $word := $of.EnumValues }}{{ if $i }}, {{ end }}`{{ $word.Name }}`{{ end }}
{{- else if has $of.Name (list "Time" "Duration") }}{{ lower $of.Name }}
{{- else if $of.Imported }}{{ markdownRenderType $of }}
{{- else if $of.Fields }}[{{ ternary "objects" "object" $many }}](#{{ $anchor }})
{{- else }}{{ ternary (print (markdownRenderType $of) "s") (markdownRenderType $of) $many }}
{{- end }}
{{- end -}}

{{- /* The bounds of a field, one under the other. A time's pattern is said once, at the top. */ -}}
{{- define "validation" }}
{{- $m := .Markers }}
{{- $all := list }}
{{- $max := index $m "kubebuilder:validation:MaxItems" }}
{{- with index $m "kubebuilder:validation:MinItems" }}{{ $all = append $all (printf "%v to %v items" (first .) (first $max)) }}
{{- else }}{{ with $max }}{{ $all = append $all (printf "at most %v items" (first .)) }}{{ end }}{{ end }}
{{- with index $m "listMapKey" }}{{ $all = append $all (printf "one item per %s" (join " and " .)) }}{{ end }}
{{- with index $m "listType" }}{{ if eq (print (first .)) "set" }}{{ $all = append $all "no item twice" }}{{ end }}{{ end }}
{{- range $each := list "" "items:" }}
{{- $say := ternary "" "each " (eq $each "") }}
{{- $p := print "kubebuilder:validation:" $each }}
{{- $min := index $m (print $p "MinLength") }}
{{- $max := index $m (print $p "MaxLength") }}
{{- if and $min (eq (print $min) (print $max)) }}{{ $all = append $all (printf "%s%v characters" $say (first $max)) }}
{{- else if and $min $max }}{{ $all = append $all (printf "%s%v to %v characters" $say (first $min) (first $max)) }}
{{- else if $max }}{{ $all = append $all (printf "%sat most %v characters" $say (first $max)) }}{{ end }}
{{- $min = index $m (print $p "Minimum") }}
{{- $max = index $m (print $p "Maximum") }}
{{- if and $min $max }}{{ $all = append $all (printf "%s%v to %v" $say (first $min) (first $max)) }}
{{- else if $min }}{{ $all = append $all (printf "%s%v or more" $say (first $min)) }}{{ end }}
{{- if not (has $.Type.Name (list "Time" "*Time")) }}
{{- with index $m (print $p "Pattern") }}{{ $all = append $all (printf "%s`%s`" $say (first . | toString | replace "|" "\\|")) }}{{ end }}
{{- end }}
{{- range index $m (print $p "XValidation") }}
{{- $at := ternary "" (print (trimPrefix "." .FieldPath) " ") (eq .FieldPath "") }}
{{- $all = append $all (printf "%s%s“%s”" $say $at (.Message | replace "|" "\\|")) }}
{{- end }}
{{- end }}
{{- join "<br>" $all }}
{{- end -}}
