package http1

import "bytes"

// A Response is the head of a response. Its slices point into what was parsed. It
// can be used again for the next one.
type Response struct {
	Status    int
	Line      []byte // the status line without its version: "200 OK"
	Minor     int
	Fields    []Field
	Body      Body
	Close     bool
	Upgrade   bool
	NamesHops bool // Connection names fields
}

// Parse reads a head as HeadEnd delimits it. noBody says that the request was one
// whose response has no body, whatever its head says: HEAD.
func (r *Response) Parse(head []byte, noBody bool) error {
	*r = Response{Fields: r.Fields[:0]}
	end := bytes.IndexByte(head, '\n')
	if end < 13 || string(head[:7]) != "HTTP/1." || head[7] != '0' && head[7] != '1' || head[8] != ' ' {
		return bad("The status line is not VERSION STATUS REASON")
	}
	r.Minor = int(head[7] - '0')
	r.Line = head[9 : end-1]
	for _, c := range r.Line[:3] {
		if c < '0' || c > '9' {
			return bad("The status is not a number")
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || len(r.Line) > 3 && r.Line[3] != ' ' || !isText(r.Line) {
		return bad("The status line is not VERSION STATUS REASON")
	}
	fields, err := parseFields(r.Fields, head[end+1:len(head)-2], MaxFields)
	if err != nil {
		return err
	}
	r.Fields = fields
	body, err := framing(fields, r.Minor)
	if err != nil {
		return err
	}
	closes, keeps, upgrades, hops := connectionOptions(fields)
	r.Close = closes || r.Minor == 0 && !keeps
	r.Upgrade, r.NamesHops = upgrades, hops
	switch {
	case noBody || r.Status < 200 || r.Status == 204 || r.Status == 304:
		r.Body = 0
	case body == NoLength:
		r.Body, r.Close = UntilClose, true
	default:
		r.Body = body
	}
	return nil
}
