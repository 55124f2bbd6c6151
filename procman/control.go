package procman

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// controlPrefix begins a line that the runtime writes for the pool and that is no
// output of the function. The byte 0x1e, record separator, does not occur in text.
//
//	\x1edenofn/1 standby                      a standby process waits
//	\x1edenofn/1 ready                        it listens
//	\x1edenofn/1 failed {JSON}                the module cannot be served
//	\x1edenofn/1 line LEVEL REQUEST COUNT     the next COUNT lines of this stream are one entry
//
// LEVEL is debug, info, warn or error, and REQUEST the ID of the request for which
// they were written, or "-". A verb that is not known is ignored, so that the
// protocol can grow.
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
		u.Message = printable(text)
	}
	return u
}

// An announcement is what follows the verb "line".
type announcement struct {
	priority int
	request  string
	lines    int
}

const (
	maxAnnounced    = 10000 // lines
	maxRequestBytes = 64
)

// parseAnnouncement reports false for one that makes no sense. A function can write
// such lines too, so nothing of it is believed beyond its form.
func parseAnnouncement(text []byte) (announcement, bool) {
	fields := bytes.Fields(text)
	if len(fields) != 3 {
		return announcement{}, false
	}
	priority, ok := priorities[string(fields[0])]
	lines, err := strconv.Atoi(string(fields[2]))
	if !ok || err != nil || lines < 1 || lines > maxAnnounced {
		return announcement{}, false
	}
	a := announcement{priority: priority, lines: lines}
	if request := string(fields[1]); request != "-" && isRequestID(request) {
		a.request = request
	}
	return a, true
}

var priorities = map[string]int{"debug": PriorityDebug, "info": PriorityInfo, "warn": PriorityWarning, "error": PriorityError}

func isRequestID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) <= maxRequestBytes
}
