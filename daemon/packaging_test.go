package daemon_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon"
)

var update = flag.Bool("update", false, "rewrite the JSON Schema of denofn.toml")

const (
	packagedConfig = "../packaging/denofn.toml"
	packagedSchema = "../packaging/denofn.schema.json"
	packagedPage   = "../packaging/man/denofn.toml.5"
)

// A setting is a key of Config.
type setting struct {
	key   string // dotted
	kind  reflect.Type
	value any // the default
}

func settings(v reflect.Value, prefix string) []setting {
	var all []setting
	for field := range v.Type().Fields() {
		key := prefix + field.Tag.Get("toml")
		value := v.FieldByIndex(field.Index)
		if field.Type.Kind() == reflect.Struct && field.Type.Name() == "" {
			all = append(all, settings(value, key+".")...)
		} else {
			all = append(all, setting{key, field.Type, value.Interface()})
		}
	}
	return all
}

func allSettings() []setting { return settings(reflect.ValueOf(daemon.DefaultConfig()), "") }

// shown are the keys of the packaged file by their dotted name: the comment above
// each, and its line without the mark that comments it out.
func shown(t *testing.T) (text string, comments map[string]string, lines []string) {
	t.Helper()
	file, err := os.ReadFile(packagedConfig)
	if err != nil {
		t.Fatal(err)
	}
	comments = make(map[string]string)
	isKey := regexp.MustCompile(`^#([a-z_]+) += `)
	table, comment := "", ""
	for line := range strings.SplitSeq(string(file), "\n") {
		switch match := isKey.FindStringSubmatch(line); {
		case match != nil:
			comments[table+match[1]] = strings.TrimSpace(comment)
			line, comment = line[1:], ""
		case strings.HasPrefix(line, "["):
			table, comment = strings.Trim(line, "[]")+".", ""
		case strings.HasPrefix(line, "# "):
			comment += " " + line[2:]
		case line == "", line == "#":
			comment = ""
		default:
			t.Errorf("%s: what is %q?", packagedConfig, line)
		}
		lines = append(lines, line)
	}
	return string(file), comments, lines
}

// The packaged configuration documents every key and no other, changes nothing as
// it is, and shows what holds without it.
func TestPackagedConfig(t *testing.T) {
	text, comments, lines := shown(t)
	for _, s := range allSettings() {
		if len(comments[s.key]) < 20 {
			t.Errorf("%s does not say what %s is: add a comment and  #%s = DEFAULT", packagedConfig, s.key, s.key[strings.LastIndex(s.key, ".")+1:])
		}
		delete(comments, s.key)
	}
	for key := range comments {
		t.Errorf("%s documents %s, which is no key", packagedConfig, key)
	}
	for name, text := range map[string]string{"as it is": text, "with every line in force": strings.Join(lines, "\n")} {
		c := daemon.DefaultConfig()
		meta, err := toml.Decode(text, &c)
		if err != nil || len(meta.Undecoded()) > 0 {
			t.Errorf("%s, %s: %v, unknown keys %v", packagedConfig, name, err, meta.Undecoded())
		}
		// A default that Config leaves at zero is some other package's.
		want := allSettings()
		for i, got := range settings(reflect.ValueOf(c), "") {
			if !reflect.ValueOf(want[i].value).IsZero() && !reflect.DeepEqual(got.value, want[i].value) {
				t.Errorf("%s, %s: %s is %v, and the default %v", packagedConfig, name, got.key, got.value, want[i].value)
			}
		}
	}
}

// The man page has every key, below the heading of its table.
func TestConfigManPage(t *testing.T) {
	page, err := os.ReadFile(packagedPage)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), ".Sh KEYS\n")
	text, _, _ = strings.Cut(text, ".Sh ")
	documented := make(map[string]bool)
	table := ""
	for line := range strings.SplitSeq(text, "\n") {
		if name, ok := strings.CutPrefix(line, ".Ss "); ok {
			table = name + "."
		}
		if name, ok := strings.CutPrefix(line, ".It Sy "); ok {
			documented[table+name] = true
		}
	}
	for _, s := range allSettings() {
		if !documented[s.key] {
			t.Errorf("%s does not have %s", packagedPage, s.key)
		}
		delete(documented, s.key)
	}
	for key := range documented {
		t.Errorf("%s has %s, which is no key", packagedPage, key)
	}
}

// The JSON Schema is made of the keys' types, and of what the packaged file says of
// them.
func TestConfigSchema(t *testing.T) {
	_, comments, _ := shown(t)
	want := schema(t, comments)
	if *update {
		if err := os.WriteFile(packagedSchema, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(packagedSchema)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s does not fit the keys: run  go test ./daemon -run TestConfigSchema -update", packagedSchema)
	}
}

func schema(t *testing.T, comments map[string]string) []byte {
	t.Helper()
	object := func() map[string]any {
		return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
	}
	root := object()
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://denofn.dev/denofn.schema.json"
	root["title"] = "denofn.toml, the configuration of denofn"
	for _, s := range allSettings() {
		properties, name := root["properties"].(map[string]any), s.key
		if table, key, ok := strings.Cut(s.key, "."); ok {
			if properties[table] == nil {
				properties[table] = object()
			}
			properties, name = properties[table].(map[string]any)["properties"].(map[string]any), key
		}
		property := typeSchema(t, s)
		property["description"] = comments[s.key]
		if v := reflect.ValueOf(s.value); !v.IsZero() {
			property["default"] = s.value
		}
		properties[name] = property
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func typeSchema(t *testing.T, s setting) map[string]any {
	t.Helper()
	switch s.kind {
	case reflect.TypeFor[denofn.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$`}
	case reflect.TypeFor[denofn.Bytes]():
		return map[string]any{"type": "string", "pattern": `^[0-9]+[KMGTkmgt]?[Bb]?$`}
	case reflect.TypeFor[denofn.Percent]():
		return map[string]any{"type": "string", "pattern": `^[0-9]+%$`}
	}
	switch s.kind.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case reflect.String, reflect.Uint8, reflect.Int8:
		return map[string]any{"type": "string"}
	}
	t.Fatalf("%s: there is no schema for %s", s.key, s.kind)
	return nil
}
