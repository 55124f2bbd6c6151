package packfile

import (
	"bytes"
	"errors"
	"io"
)

var errDelta = errors.New("malformed delta")

// readDeltaSize reads one of the two sizes that a delta starts with: of its base,
// and of what it makes.
func readDeltaSize(r io.ByteReader) (int64, error) {
	var size int64
	for shift := 0; ; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		if shift > 56 {
			return 0, errDelta
		}
		size |= int64(c&0x7f) << shift
		if c&0x80 == 0 {
			if size < 0 {
				return 0, errDelta
			}
			return size, nil
		}
	}
}

// An instruction copies size bytes of the base at offset or, with insert set,
// takes size bytes that follow.
type instruction struct {
	offset, size int64
	insert       bool
}

// readInstruction returns io.EOF behind the last one.
func readInstruction(r io.ByteReader) (instruction, error) {
	var in instruction
	op, err := r.ReadByte()
	if err != nil {
		return in, err
	}
	if op == 0 { // reserved
		return in, errDelta
	}
	if op&0x80 == 0 {
		return instruction{size: int64(op), insert: true}, nil
	}
	for i := range 7 {
		if op&(1<<i) == 0 {
			continue
		}
		c, err := r.ReadByte()
		if err != nil {
			return in, noEOF(err)
		}
		if i < 4 {
			in.offset |= int64(c) << (8 * i)
		} else {
			in.size |= int64(c) << (8 * (i - 4))
		}
	}
	if in.size == 0 {
		in.size = 0x10000
	}
	return in, nil
}

// applyDelta fills target, whose length is what the delta said, from the base and
// the instructions that follow the two sizes.
func applyDelta(target, base, instructions []byte) error {
	r := bytes.NewReader(instructions)
	for {
		in, err := readInstruction(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if in.size > int64(len(target)) {
			return errDelta
		}
		if in.insert {
			if _, err := io.ReadFull(r, target[:in.size]); err != nil {
				return errDelta
			}
		} else {
			if in.offset+in.size > int64(len(base)) {
				return errDelta
			}
			copy(target, base[in.offset:in.offset+in.size])
		}
		target = target[in.size:]
	}
	if len(target) != 0 {
		return errDelta
	}
	return nil
}

type byteStream interface {
	io.Reader
	io.ByteReader
}

// streamDelta is applyDelta for what does not fit in memory.
func streamDelta(w io.Writer, targetSize int64, base io.ReaderAt, baseSize int64, instructions byteStream) error {
	buffer := make([]byte, 64<<10)
	for {
		in, err := readInstruction(instructions)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if targetSize -= in.size; targetSize < 0 {
			return errDelta
		}
		var from io.Reader = io.LimitReader(instructions, in.size)
		if !in.insert {
			if in.offset+in.size > baseSize {
				return errDelta
			}
			from = io.NewSectionReader(base, in.offset, in.size)
		}
		n, err := io.CopyBuffer(onlyWriter{w}, from, buffer)
		if err != nil {
			return err
		}
		if n != in.size {
			return errDelta
		}
	}
	if targetSize != 0 {
		return errDelta
	}
	return nil
}

// onlyWriter hides ReadFrom, so that io.CopyBuffer uses the buffer it is given.
type onlyWriter struct{ io.Writer }
