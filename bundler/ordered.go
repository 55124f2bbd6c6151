package bundler

import (
	"bytes"
	"encoding/json"
	"fmt"
)

type jsonKind int

const (
	kindOther jsonKind = iota // null, a number or a boolean
	kindString
	kindList
	kindObject
)

// ordered is a JSON value whose objects keep the order of their keys, which the
// conditions of a package.json depend on.
type ordered struct {
	set    bool
	kind   jsonKind
	text   string
	list   []ordered
	keys   []string
	fields map[string]ordered
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *ordered) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	v, err := readOrdered(d, 0)
	*o = v
	return err
}

// maxDepth bounds recursion over what strangers nest.
const maxDepth = 100

func readOrdered(d *json.Decoder, depth int) (ordered, error) {
	o := ordered{set: true}
	if depth > maxDepth {
		return o, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return o, err
	}
	switch t := token.(type) {
	case nil:
		o.set = depth > 0
	case string:
		o.kind, o.text = kindString, t
	case json.Delim:
		if t == '[' {
			o.kind = kindList
			for d.More() {
				v, err := readOrdered(d, depth+1)
				if err != nil {
					return o, err
				}
				o.list = append(o.list, v)
			}
		} else {
			o.kind, o.fields = kindObject, make(map[string]ordered)
			for d.More() {
				key, err := d.Token()
				if err != nil {
					return o, err
				}
				v, err := readOrdered(d, depth+1)
				if err != nil {
					return o, err
				}
				name := key.(string)
				if _, twice := o.fields[name]; !twice {
					o.keys = append(o.keys, name)
				}
				o.fields[name] = v
			}
		}
		_, err = d.Token() // the end
		return o, err
	}
	return o, nil
}
