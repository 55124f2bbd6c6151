package denofn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Duration is a time.Duration that is written as text, "5m" or "1h30m", in
// configuration files and manifests.
type Duration struct{ time.Duration }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Negative durations are
// errors: nothing in denofn waits backwards.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is not a duration: write a number and a unit, like "30s", "5m" or "1h"`, text)
	}
	if v < 0 {
		return fmt.Errorf("%q is a negative duration", text)
	}
	d.Duration = v
	return nil
}

// Bytes is a size in bytes that is written as text with a binary unit: "512K",
// "100M", "2G".
type Bytes int64

const byteUnits = "KMGT"

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String returns b in the largest unit that divides it: Bytes(1<<20) is "1M".
func (b Bytes) String() string {
	unit := ""
	for i := 0; i < len(byteUnits) && b != 0 && b%1024 == 0; i++ {
		b /= 1024
		unit = byteUnits[i : i+1]
	}
	return strconv.FormatInt(int64(b), 10) + unit
}

// UnmarshalText implements encoding.TextUnmarshaler. Units are powers of 1024.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSuffix(strings.ToUpper(string(text)), "B")
	shift := 0
	if s != "" {
		if i := strings.IndexByte(byteUnits, s[len(s)-1]); i >= 0 {
			shift = 10 * (i + 1)
			s = s[:len(s)-1]
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return fmt.Errorf(`%q is not a size: write a number and a unit, like "512K", "100M" or "2G"`, text)
	}
	*b = Bytes(n << shift)
	return nil
}

// Percent is a share that is written as text with a percent sign: "50%".
type Percent int

// String returns the number and its sign.
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// MarshalText implements encoding.TextMarshaler.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || !ok || n < 0 {
		return fmt.Errorf(`%q is not a percentage: write a whole number and a percent sign, like "50%%"`, text)
	}
	*p = Percent(n)
	return nil
}
