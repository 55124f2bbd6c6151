package manifest_test

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tailscale/hujson"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/manifest"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("registry.schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("registry.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, registry []byte) error {
	standard, err := hujson.Standardize(bytes.TrimPrefix(registry, []byte("\ufeff")))
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(standard))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// The parser and the schema have the same keys.
func TestSchemaKeys(t *testing.T) {
	_, err := manifest.Find(hello([]byte(`{"unlike all": 1}`)), "app")
	wrong, _ := errors.AsType[denofn.Diagnostics](err)
	if len(wrong) != 1 {
		t.Fatal(err)
	}
	parser := strings.Split(strings.TrimPrefix(wrong[0].Hint, "the keys are "), ", ")
	var inSchema []string
	for name := range schema(t).Properties {
		inSchema = append(inSchema, name)
	}
	slices.Sort(inSchema)
	if !reflect.DeepEqual(parser, inSchema) {
		t.Errorf("the parser has %q, the schema %q", parser, inSchema)
	}
}

// People find every key, in the manual page and in the README.
func TestKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/registry.json.5")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range schema(t).Properties {
		if !strings.Contains(string(page), "\n.It Sy "+name+"\n") {
			t.Errorf("registry.json.5 does not have %s: add  .It Sy %s", name, name)
		}
		if name != "$schema" && !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("README.md does not have %s", name)
		}
	}
}

// What the parser takes, the schema takes; what it refuses, the schema does too,
// but for what needs the tree, a second look or a grammar to know.
func TestSchemaAgrees(t *testing.T) {
	s := schema(t)
	for _, c := range cases(t, "accepted.txtar") {
		if err := validate(s, c.Data); err != nil {
			t.Errorf("%s is refused: %v", c.Name, err)
		}
	}
	beyond := regexp.MustCompile(`^(a key twice|zero durations|variables|hosts|a whitelist|other values|commas.*|functions where.*|an entry that.*|a folder that.*|no index.html|what a task.*)$`)
	for _, c := range cases(t, "refused.txtar") {
		if err := validate(s, c.Data); err == nil && !beyond.MatchString(c.Name) {
			t.Errorf("%s is accepted", c.Name)
		}
	}
}
