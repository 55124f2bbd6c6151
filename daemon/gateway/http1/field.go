package http1

import "bytes"

// A Field is one line of a head.
type Field struct {
	ID    ID
	Name  []byte // as it came
	Value []byte // without the space around it
}

// An ID names a field that a proxy has to know.
type ID uint8

// The fields that have an ID; Other is every other one.
const (
	Other ID = iota
	Accept
	AcceptEncoding
	Connection
	ContentLength
	ContentType
	Date
	Expect
	Forwarded
	Host
	IfMatch
	IfModifiedSince
	IfNoneMatch
	IfRange
	IfUnmodifiedSince
	KeepAlive
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	Range
	ServerTiming
	TE
	Trailer
	TransferEncoding
	Upgrade
	Via
	XForwarded // any X-Forwarded-…, and X-Real-IP
	XForwardedFor
	XForwardedHost
	XForwardedPrefix
	XForwardedProto
	XRequestID
)

// names are the fields by the length of their names, in lower case.
var names = [24][]struct {
	name string
	id   ID
}{
	2:  {{"te", TE}},
	3:  {{"via", Via}},
	4:  {{"host", Host}, {"date", Date}},
	5:  {{"range", Range}},
	6:  {{"accept", Accept}, {"expect", Expect}},
	7:  {{"upgrade", Upgrade}, {"trailer", Trailer}},
	8:  {{"if-range", IfRange}, {"if-match", IfMatch}},
	9:  {{"forwarded", Forwarded}, {"x-real-ip", XForwarded}},
	10: {{"connection", Connection}, {"keep-alive", KeepAlive}},
	12: {{"content-type", ContentType}, {"x-request-id", XRequestID}},
	13: {{"if-none-match", IfNoneMatch}, {"server-timing", ServerTiming}},
	14: {{"content-length", ContentLength}},
	15: {{"accept-encoding", AcceptEncoding}, {"x-forwarded-for", XForwardedFor}},
	16: {{"x-forwarded-host", XForwardedHost}, {"proxy-connection", ProxyConnection}},
	17: {{"transfer-encoding", TransferEncoding}, {"if-modified-since", IfModifiedSince}, {"x-forwarded-proto", XForwardedProto}},
	18: {{"proxy-authenticate", ProxyAuthenticate}, {"x-forwarded-prefix", XForwardedPrefix}},
	19: {{"proxy-authorization", ProxyAuthorization}, {"if-unmodified-since", IfUnmodifiedSince}},
}

const forwardedPrefix = "x-forwarded-"

// Identify returns the ID of the field with the name.
func Identify(name []byte) ID {
	if len(name) < len(names) {
		for _, known := range names[len(name)] {
			if EqualFold(name, known.name) {
				return known.id
			}
		}
	}
	if n := len(forwardedPrefix); len(name) > n && EqualFold(name[:n], forwardedPrefix) {
		return XForwarded
	}
	return Other
}

// parseFields appends the fields of lines, each of which ends in CRLF, to fields.
func parseFields(fields []Field, lines []byte, limit int) ([]Field, error) {
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n')
		if end < 1 || lines[end-1] != '\r' {
			return nil, bad("A line ends without a carriage return")
		}
		line := lines[:end-1]
		lines = lines[end+1:]
		if len(fields) == limit {
			return nil, &Error{431, "There are too many header fields"}
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 || !IsToken(line[:colon]) { // also what is folded, or has space before the colon
			return nil, bad("A header field has no valid name")
		}
		value := trim(line[colon+1:])
		if !isText(value) {
			return nil, bad("A header field has a control character in its value")
		}
		fields = append(fields, Field{Identify(line[:colon]), line[:colon], value})
	}
	return fields, nil
}

// A Body is how the body of a message ends.
type Body int64

// A Body that is not negative is a length in bytes.
const (
	Chunked    Body = -1
	UntilClose Body = -2 // only of responses
	NoLength   Body = -3 // nothing is said
)

// framing returns the Body that the fields tell of, by the rules that leave no
// room for two opinions.
func framing(fields []Field, minor int) (Body, error) {
	body, coded := NoLength, false
	for i := range fields {
		switch f := &fields[i]; f.ID {
		case ContentLength:
			n, ok := parseLength(f.Value)
			if !ok {
				return 0, bad("Content-Length is not a number")
			}
			if body != NoLength {
				return 0, bad("Content-Length is there more than once")
			}
			body = Body(n)
		case TransferEncoding:
			switch {
			case coded:
				return 0, bad("Transfer-Encoding is there more than once")
			case minor == 0:
				return 0, bad("Transfer-Encoding is not a part of HTTP/1.0")
			case !EqualFold(f.Value, "chunked"):
				return 0, &Error{501, "Only the transfer coding chunked is understood"}
			}
			coded = true
		}
	}
	if coded {
		if body != NoLength {
			return 0, bad("Content-Length is there beside Transfer-Encoding")
		}
		body = Chunked
	}
	return body, nil
}

func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// connectionOptions reads what the Connection fields say of the connection
// itself. It reports whether they name other fields too.
func connectionOptions(fields []Field) (closes, keeps, upgrades, names bool) {
	for i := range fields {
		if fields[i].ID != Connection {
			continue
		}
		for list := fields[i].Value; len(list) > 0; {
			var item []byte
			if comma := bytes.IndexByte(list, ','); comma >= 0 {
				item, list = list[:comma], list[comma+1:]
			} else {
				item, list = list, nil
			}
			switch item = trim(item); {
			case EqualFold(item, "close"):
				closes = true
			case EqualFold(item, "keep-alive"):
				keeps = true
			case EqualFold(item, "upgrade"):
				upgrades = true
			case len(item) > 0:
				names = true
			}
		}
	}
	return
}

// NamedByConnection reports whether a Connection field among fields names the one
// with the name, which makes it one for this hop only.
func NamedByConnection(fields []Field, name []byte) bool {
	found := false
	for i := range fields {
		if fields[i].ID == Connection {
			Items(fields[i].Value, func(item []byte) bool {
				found = bytes.EqualFold(item, name)
				return !found
			})
			if found {
				break
			}
		}
	}
	return found
}
