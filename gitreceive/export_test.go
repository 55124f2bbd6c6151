package gitreceive

import (
	"bytes"
	"io"
)

// What the tests of parsers see of them.

// Packets reads packet lines to the end of text and returns their data; flush,
// delimiter and response end are nil, and followed by which of them it was.
func Packets(text []byte) (lines [][]byte, rest []byte, err error) {
	p := newPacketReader(bytes.NewReader(text))
	for {
		packet, err := p.next()
		if err != nil {
			rest, _ := io.ReadAll(p.r)
			if err == io.EOF {
				err = nil
			}
			return lines, rest, err
		}
		if packet.kind != packetData {
			lines = append(lines, nil, []byte{byte('0' + packet.kind)})
			continue
		}
		lines = append(lines, bytes.Clone(packet.data))
	}
}

// PacketLine returns data as one packet line.
func PacketLine(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w := newPacketWriter(&out)
	w.data(data)
	err := w.send()
	return out.Bytes(), err
}

// ReadUpdateRequest returns the updates and options that a client asks for, as
// "old new name" and "option key=value".
func ReadUpdateRequest(text []byte) (lines []string, sendsPack bool, err error) {
	r, err := readUpdateRequest(newPacketReader(bytes.NewReader(text)))
	if r == nil || err != nil {
		return nil, false, err
	}
	for _, u := range r.updates {
		lines = append(lines, u.old.String()+" "+u.new.String()+" "+u.name)
	}
	for _, o := range parseOptions(r.options) {
		lines = append(lines, "option "+o.Key+"="+o.Value)
	}
	return lines, r.sendsPack(), nil
}

// Meter returns what shows long work on a terminal.
func Meter(w io.Writer) (update func(stage string, done, total int) error, end func()) {
	m := &meter{w: w}
	return m.update, m.end
}

// Names under which other things are tested.
var (
	SplitWords   = splitWords
	CheckRefName = checkRefName
	MatchAddress = matchAddress
	OneLine      = oneLine
	ParseOptions = parseOptions
	RepositoryOf = repositoryOf
)
