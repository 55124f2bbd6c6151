package procman

import (
	"bytes"
	"encoding/json"
)

// controlPrefix begins a line that the runtime writes for the pool and that is no
// output of the function. The byte 0x1e, record separator, does not occur in text.
//
//	\x1edenofn/1 ready              it listens
//	\x1edenofn/1 failed {JSON}      the module cannot be served
//
// A verb that is not known is ignored, so that the protocol can grow.
var controlPrefix = []byte("\x1edenofn/1 ")

// A control is a parsed control line.
type control struct {
	verb string
	rest []byte
}

// parseControl splits a line without its line end. It reports false for a line
// that is output.
func parseControl(line []byte) (control, bool) {
	text, ok := bytes.CutPrefix(line, controlPrefix)
	if !ok {
		return control{}, false
	}
	verb, rest, _ := bytes.Cut(text, []byte(" "))
	return control{string(verb), rest}, true
}

// parseUnusable reads what follows the verb "failed". What cannot be read is shown
// as it is: the module is unusable in any case.
func parseUnusable(text []byte) *unusable {
	u := new(unusable)
	if err := json.Unmarshal(text, u); err != nil || u.Message == "" {
		u.Message = string(text)
	}
	return u
}
