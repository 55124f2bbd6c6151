package http1

import "bytes"

// Limits of what is between the data of chunks.
const (
	maxChunkLine    = 4 << 10 // a size and its extensions
	maxTrailerBytes = 8 << 10
	maxSizeDigits   = 15 // of a chunk's size: no chunk is longer than a petabyte
)

// Chunks takes a body apart that comes in chunks. The zero value is at its
// beginning. Extensions are dropped.
type Chunks struct {
	state     chunkState
	left      int64 // of the chunk's data
	digits    int
	extended  bool
	overhead  int // bytes of this line, or of all trailers
	lineStart int
	trailer   []byte
}

type chunkState uint8

const (
	inSize chunkState = iota
	inExtension
	sizeLF
	inData
	dataCR
	dataLF
	inTrailer
	chunksDone
)

// Next consumes the beginning of b. It returns how many bytes it took and the
// data that was among them, a slice of b; there is at most one piece a call, and
// there may be none. Done reports the end. The error is an *Error.
func (c *Chunks) Next(b []byte) (taken int, data []byte, err error) {
	for taken < len(b) {
		ch := b[taken]
		switch c.state {
		case inData:
			n := int(min(c.left, int64(len(b)-taken)))
			data = b[taken : taken+n]
			if c.left -= int64(n); c.left == 0 {
				c.state = dataCR
			}
			return taken + n, data, nil
		case inSize:
			if digit, ok := hexDigit(ch); ok && !c.extended {
				if c.digits++; c.digits > maxSizeDigits {
					return 0, nil, bad("A chunk is too long")
				}
				c.left = c.left<<4 | int64(digit)
				break
			}
			if c.digits == 0 {
				return 0, nil, bad("A chunk has no size")
			}
			switch ch {
			case '\r':
				c.state = sizeLF
			case ';':
				c.state = inExtension
			case ' ', '\t': // space is only allowed before an extension
				c.extended = true
			default:
				return 0, nil, bad("The size of a chunk is not a hexadecimal number")
			}
			if c.state == sizeLF && c.extended {
				return 0, nil, bad("The size of a chunk is not a hexadecimal number")
			}
		case inExtension:
			if ch == '\r' {
				c.state = sizeLF
			} else if ch < ' ' && ch != '\t' || ch == 0x7f {
				return 0, nil, bad("A chunk extension has a control character")
			}
			if c.overhead++; c.overhead > maxChunkLine {
				return 0, nil, bad("A chunk extension is too long")
			}
		case sizeLF:
			if ch != '\n' {
				return 0, nil, bad("The size of a chunk does not end its line")
			}
			c.digits, c.extended, c.overhead = 0, false, 0
			if c.state = inData; c.left == 0 {
				c.state = inTrailer
			}
		case dataCR:
			if ch != '\r' {
				return 0, nil, bad("A chunk is longer than its size")
			}
			c.state = dataLF
		case dataLF:
			if ch != '\n' {
				return 0, nil, bad("A chunk is longer than its size")
			}
			c.state = inSize
		case inTrailer:
			if len(c.trailer) == maxTrailerBytes {
				return 0, nil, &Error{431, "The trailers are too long"}
			}
			c.trailer = append(c.trailer, ch)
			if ch != '\n' {
				break
			}
			n := len(c.trailer)
			if n < 2 || c.trailer[n-2] != '\r' {
				return 0, nil, bad("A line ends without a carriage return")
			}
			if n-c.lineStart == 2 {
				c.trailer = c.trailer[:n-2]
				c.state = chunksDone
			}
			c.lineStart = n
		case chunksDone:
			return taken, nil, nil
		}
		taken++
		if c.state == chunksDone {
			break
		}
	}
	return taken, nil, nil
}

// Done reports whether the body has ended, trailers included.
func (c *Chunks) Done() bool { return c.state == chunksDone }

// Trailers returns the fields after the last chunk, without those that must not
// be there because they say how a message is framed, routed or read.
func (c *Chunks) Trailers() ([]Field, error) {
	if len(c.trailer) == 0 {
		return nil, nil
	}
	all, err := parseFields(nil, c.trailer, MaxFields)
	if err != nil {
		return nil, err
	}
	kept := all[:0]
	for _, f := range all {
		if f.ID == Other && !forbiddenTrailer(f.Name) {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// forbiddenTrailer has those fields without an ID that RFC 9110 keeps out of
// trailers.
func forbiddenTrailer(name []byte) bool {
	for _, forbidden := range []string{
		"authorization", "cache-control", "content-encoding", "content-range", "cookie", "set-cookie", "location", "max-forwards", "pragma", "vary", "www-authenticate",
	} {
		if EqualFold(name, forbidden) {
			return true
		}
	}
	return false
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

const hexDigits = "0123456789abcdef"

// AppendChunkHead appends the line before n bytes of data.
func AppendChunkHead(b []byte, n int) []byte {
	var digits [16]byte
	i := len(digits)
	for {
		i--
		digits[i] = hexDigits[n&15]
		if n >>= 4; n == 0 {
			break
		}
	}
	b = append(b, digits[i:]...)
	return append(b, '\r', '\n')
}

// AppendLastChunk appends the end of a body in chunks.
func AppendLastChunk(b []byte, trailers []Field) []byte {
	b = append(b, "0\r\n"...)
	for _, f := range trailers {
		b = AppendField(b, f.Name, f.Value)
	}
	return append(b, '\r', '\n')
}

// AppendField appends a line of a head.
func AppendField[N, V ~string | ~[]byte](b []byte, name N, value V) []byte {
	b = append(b, name...)
	b = append(b, ':', ' ')
	b = append(b, value...)
	return append(b, '\r', '\n')
}

// IsHead reports whether the method is HEAD.
func IsHead(method []byte) bool { return bytes.Equal(method, []byte("HEAD")) }
