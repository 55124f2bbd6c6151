package http1

import "bytes"

// MaxFields is how many fields a head may have.
const MaxFields = 128

// A Request is the head of a request. Its slices point into what was parsed. It
// can be used again for the next one.
type Request struct {
	Method []byte
	Target []byte // in origin-form, or "*"
	Host   []byte // of Target's absolute form if it had one, else of the field; empty in HTTP/1.0 without
	Minor  int    // 1 for HTTP/1.1
	Fields []Field
	Body   Body // a length, 0 where nothing is said, or Chunked

	Close     bool // the connection is not to be kept
	Upgrade   bool // Connection says that Upgrade counts
	Continue  bool // the client waits for 100 (Continue)
	Trailers  bool // the client wants trailers
	NamesHops bool // Connection names fields
}

// Parse reads a head as HeadEnd delimits it. The error is an *Error.
func (r *Request) Parse(head []byte) error {
	*r = Request{Fields: r.Fields[:0]}
	end := bytes.IndexByte(head, '\n')
	if end < 1 || len(head) < 4 {
		return bad("There is no request line")
	}
	if err := r.parseLine(head[:end-1]); err != nil {
		return err
	}
	fields, err := parseFields(r.Fields, head[end+1:len(head)-2], MaxFields)
	if err != nil {
		return err
	}
	r.Fields = fields
	if r.Body, err = framing(fields, r.Minor); err != nil {
		return err
	}
	if r.Body == NoLength {
		r.Body = 0
	}
	closes, keeps, upgrades, hops := connectionOptions(fields)
	r.Close = closes || r.Minor == 0 && !keeps
	r.Upgrade = upgrades && r.Minor == 1
	r.NamesHops = hops
	return r.parseRest()
}

func (r *Request) parseLine(line []byte) error {
	space := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(line, ' ')
	if space < 0 || last == space {
		return bad("The request line is not METHOD TARGET VERSION")
	}
	r.Method, r.Target = line[:space], line[space+1:last]
	if !IsToken(r.Method) {
		return bad("The method is not a token")
	}
	switch version := line[last+1:]; string(version) {
	case "HTTP/1.1":
		r.Minor = 1
	case "HTTP/1.0":
	default:
		if len(version) == 8 && string(version[:5]) == "HTTP/" {
			return &Error{505, "The version of HTTP is not 1.1 or 1.0"}
		}
		return bad("The request line is not METHOD TARGET VERSION")
	}
	return r.parseTarget()
}

func (r *Request) parseTarget() error {
	if len(r.Target) == 0 {
		return bad("The request line is not METHOD TARGET VERSION")
	}
	for _, c := range r.Target {
		if c <= ' ' || c == 0x7f || c == '#' {
			return bad("The target has a character that no URL has")
		}
	}
	if r.Target[0] == '/' {
		return nil
	}
	if string(r.Target) == "*" && string(r.Method) == "OPTIONS" {
		return nil
	}
	if string(r.Method) == "CONNECT" {
		return &Error{501, "This is not a forward proxy"}
	}
	_, rest, ok := bytes.Cut(r.Target, []byte("://"))
	scheme := r.Target[:len(r.Target)-len(rest)]
	if !ok || !EqualFold(scheme, "http://") && !EqualFold(scheme, "https://") {
		return bad("The target is neither a path nor an http URL")
	}
	slash := bytes.IndexAny(rest, "/?")
	switch {
	case slash < 0:
		r.Host, r.Target = rest, []byte("/")
	case rest[slash] == '?':
		return bad("The target is a URL without a path")
	default:
		r.Host, r.Target = rest[:slash], rest[slash:]
	}
	if len(r.Host) == 0 {
		return bad("The target is a URL without a host")
	}
	return nil
}

// parseRest reads the fields that count for how a request is answered.
func (r *Request) parseRest() error {
	hosts := 0
	for i := range r.Fields {
		switch f := &r.Fields[i]; f.ID {
		case Host:
			if hosts++; hosts > 1 {
				return bad("Host is there more than once")
			}
			if len(r.Host) == 0 {
				r.Host = f.Value
			}
		case Expect:
			if !EqualFold(f.Value, "100-continue") {
				return &Error{417, "Nothing but 100-continue can be expected"}
			}
			r.Continue = r.Minor == 1 && r.Body != 0
		case TE:
			Items(f.Value, func(item []byte) bool {
				r.Trailers = EqualFold(item, "trailers")
				return !r.Trailers
			})
		}
	}
	if hosts == 0 && r.Minor == 1 {
		return bad("Host is missing")
	}
	return nil
}

// Get returns the value of the first field with the ID, or nil.
func (r *Request) Get(id ID) []byte {
	for i := range r.Fields {
		if r.Fields[i].ID == id {
			return r.Fields[i].Value
		}
	}
	return nil
}
