package daemon

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// mistyped finds the key whose value is of the wrong type, since the decoder does
// not tell: the first that cannot be decoded alone.
func mistyped(path string, text []byte, err error) error {
	message := strings.TrimPrefix(err.Error(), "toml: ")
	tables := make(map[string]toml.Primitive)
	meta, err := toml.Decode(string(text), &tables)
	if err != nil {
		return &ConfigError{path, 0, message}
	}
	for _, key := range meta.Keys() {
		primitive, ok := tables[key[0]]
		if len(key) == 2 {
			inner := make(map[string]toml.Primitive)
			if meta.PrimitiveDecode(primitive, &inner) != nil {
				continue // not a table; key[0] comes before it
			}
			primitive, ok = inner[key[1]]
		}
		field, known := fieldOf(key)
		if !ok || !known || field.Kind() == reflect.Struct && field.Name() == "" && meta.Type(key...) == "Hash" {
			continue
		}
		if meta.PrimitiveDecode(primitive, reflect.New(field).Interface()) != nil {
			return &ConfigError{path, lineOf(text, key), fmt.Sprintf("%s: %s", key, message)}
		}
	}
	return &ConfigError{path, 0, message}
}

// fieldOf returns the type of the value of a key.
func fieldOf(key toml.Key) (reflect.Type, bool) {
	t := reflect.TypeFor[Config]()
	for _, name := range key {
		if t.Kind() != reflect.Struct {
			return nil, false
		}
		found := false
		for field := range t.Fields() {
			if field.Tag.Get("toml") == name {
				t, found = field.Type, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return t, true
}
