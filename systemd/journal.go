package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A journal writes entries to journald in its native protocol: a datagram of
// fields, or for an entry that is too long for one, a sealed memory file.
//
// go-systemd's journal.Send does the same but has one socket path for the whole
// process, so that it cannot be tested against anything but the machine's journal,
// and writes the fields in random order.
type journal struct {
	address  *net.UnixAddr
	conn     *net.UnixConn // not connected, so that it outlives restarts of journald
	fallback *textSink     // for what journald did not take
}

// journalPatience bounds how long a journal that does not read can hold the daemon
// up; the entry is lost then.
const journalPatience = 2 * time.Second

// openJournal returns an error when nobody listens at the socket. The journal is
// never closed: there is something to log until the process ends.
func openJournal(socket string, fallback *textSink) (*journal, error) {
	address := &net.UnixAddr{Name: socket, Net: "unixgram"}
	probe, err := net.DialUnix("unixgram", nil, address)
	if err != nil {
		return nil, fmt.Errorf("reach journal: %w", err)
	}
	probe.Close()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	return &journal{address, conn, fallback}, nil
}

func (j *journal) write(e *entry) error {
	err := j.send(encodeEntry(e))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return j.fallback.write(e)
	}
	return err
}

func (j *journal) send(datagram []byte) error {
	j.conn.SetWriteDeadline(time.Now().Add(journalPatience))
	_, err := j.conn.WriteToUnix(datagram, j.address)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		return j.sendFile(datagram)
	}
	return err
}

// sendFile passes the descriptor of a file that nobody can change any more.
func (j *journal) sendFile(datagram []byte) error {
	fd, err := unix.MemfdCreate("denofn-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("create memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "journal entry")
	defer f.Close()
	if _, err := f.Write(datagram); err != nil {
		return fmt.Errorf("write memory file: %w", err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal memory file: %w", err)
	}
	_, _, err = j.conn.WriteMsgUnix(nil, unix.UnixRights(fd), j.address)
	return err
}

// encodeEntry writes an entry in the native protocol. Output of a function is
// identified as denofn/NAME, the way postfix tells its parts apart, so that the
// short form of journalctl shows whose it is and -t selects it.
func encodeEntry(e *entry) []byte {
	function, isOutput := e.output()
	b := make([]byte, 0, 256+len(e.message)*2)
	message, name := e.message, identifier
	if isOutput {
		name += "/" + function
	} else {
		message = withFields(message, e.fields)
	}
	b = appendField(b, "MESSAGE", message)
	b = appendField(b, "PRIORITY", strconv.Itoa(priority(e.level)))
	b = appendField(b, "SYSLOG_IDENTIFIER", name)
	if !isOutput {
		if id := messageID(e.message); id != "" {
			b = appendField(b, "MESSAGE_ID", id)
		}
	}
	for _, f := range e.fields {
		b = appendField(b, fieldName(f.key), f.value)
	}
	return b
}

// appendField writes NAME=VALUE, or for a value of several lines its length in
// front of it.
func appendField(b []byte, name, value string) []byte {
	if !strings.Contains(value, "\n") {
		b = append(b, name...)
		b = append(b, '=')
		b = append(b, value...)
		return append(b, '\n')
	}
	b = append(b, name...)
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	b = append(b, value...)
	return append(b, '\n')
}

// maxFieldName is the longest name that journald takes.
const maxFieldName = 64

// fieldName returns the field of an attribute. All have the prefix DENOFN_, so no
// attribute can take the place of a field that means something to journald.
func fieldName(key string) string {
	if key == keyRequest {
		key = "request_id"
	}
	upper := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}
	name := "DENOFN_" + strings.Map(upper, key)
	return name[:min(len(name), maxFieldName)]
}
