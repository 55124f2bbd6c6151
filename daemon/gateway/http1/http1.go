// Package http1 reads messages of HTTP/1.1 (RFC 9112) from bytes, and is strict
// about it: what two readers could understand differently is an error.
//
// A head is parsed where it lies: names and values are slices of the buffer that
// it was read into, so parsing allocates nothing, and a field that is passed on
// has the bytes that came. The caller finds the end of a head with HeadEnd, gives
// it to Request.Parse or Response.Parse, and then knows from Body how the message
// goes on. Bodies in chunks are taken apart by a Chunks.
//
// Refused, where RFC 9112 leaves a choice: lines that end in a bare LF, CR
// anywhere else, folded lines, space before a colon, Content-Length beside
// Transfer-Encoding or more than once, any coding but a single chunked, chunked
// in HTTP/1.0, chunk sizes with signs or underscores, and control characters.
package http1

import "bytes"

// An Error says why a message is refused.
type Error struct {
	Status int    // that a server answers with
	Reason string // for people; a sentence without its full stop
}

func (e *Error) Error() string { return e.Reason }

func bad(reason string) error { return &Error{400, reason} }

// HeadEnd returns the length of the head that b begins with, including the empty
// line, or 0 if b does not hold all of it. scanned is where an earlier call with a
// shorter b may have stopped; HeadEnd updates it.
func HeadEnd(b []byte, scanned *int) (int, error) {
	i := *scanned
	for {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			*scanned = i
			return 0, nil
		}
		if end := i + n; end == 0 || b[end-1] != '\r' {
			return 0, bad("A line ends without a carriage return")
		}
		if n == 1 && i > 0 {
			return i + 2, nil
		}
		i += n + 1
	}
}

// isToken has the characters of methods, field names and other tokens.
var isToken = table("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

func table(characters string) (t [256]bool) {
	for i := range len(characters) {
		t[characters[i]] = true
	}
	return t
}

// IsToken reports whether b is one.
func IsToken(b []byte) bool {
	for _, c := range b {
		if !isToken[c] {
			return false
		}
	}
	return len(b) > 0
}

// isText reports whether b has only what may be in the value of a field: no
// control characters but the tab.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// EqualFold reports whether b is s, which is in lower case, but for the case of
// letters of ASCII.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// Items calls f with each item of a list that commas separate, until f returns
// false. It is for lists of tokens: it knows nothing of quotes.
func Items(list []byte, f func(item []byte) bool) {
	for len(list) > 0 {
		item, rest, _ := bytes.Cut(list, []byte{','})
		if item = trim(item); len(item) > 0 && !f(item) {
			return
		}
		list = rest
	}
}
