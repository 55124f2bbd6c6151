package static

import (
	"path"
	"strings"
)

// A kind is what is to be known of files with one extension. It is not taken from
// the machine: the same push must be served alike everywhere.
type kind struct {
	mediaType  string
	compresses bool
	code       bool // made by bundlers, which put hashes into names
}

const fallbackType = "application/octet-stream"

var kinds = map[string]kind{
	".html":        {"text/html; charset=utf-8", true, false},
	".htm":         {"text/html; charset=utf-8", true, false},
	".xhtml":       {"application/xhtml+xml; charset=utf-8", true, false},
	".css":         {"text/css; charset=utf-8", true, true},
	".js":          {"text/javascript; charset=utf-8", true, true},
	".mjs":         {"text/javascript; charset=utf-8", true, true},
	".cjs":         {"text/javascript; charset=utf-8", true, true},
	".map":         {"application/json", true, true},
	".json":        {"application/json", true, false},
	".jsonld":      {"application/ld+json", true, false},
	".webmanifest": {"application/manifest+json", true, false},
	".geojson":     {"application/geo+json", true, false},
	".xml":         {"application/xml", true, false},
	".rss":         {"application/rss+xml", true, false},
	".atom":        {"application/atom+xml", true, false},
	".txt":         {"text/plain; charset=utf-8", true, false},
	".md":          {"text/markdown; charset=utf-8", true, false},
	".csv":         {"text/csv; charset=utf-8", true, false},
	".ics":         {"text/calendar; charset=utf-8", true, false},
	".vtt":         {"text/vtt; charset=utf-8", true, false},
	".yaml":        {"application/yaml", true, false},
	".yml":         {"application/yaml", true, false},
	".svg":         {"image/svg+xml", true, false},
	".ico":         {"image/x-icon", true, false},
	".bmp":         {"image/bmp", true, false},
	".png":         {"image/png", false, false},
	".apng":        {"image/apng", false, false},
	".jpg":         {"image/jpeg", false, false},
	".jpeg":        {"image/jpeg", false, false},
	".gif":         {"image/gif", false, false},
	".webp":        {"image/webp", false, false},
	".avif":        {"image/avif", false, false},
	".woff":        {"font/woff", false, true},
	".woff2":       {"font/woff2", false, true},
	".ttf":         {"font/ttf", true, true},
	".otf":         {"font/otf", true, true},
	".wasm":        {"application/wasm", true, true},
	".pdf":         {"application/pdf", false, false},
	".zip":         {"application/zip", false, false},
	".gz":          {"application/gzip", false, false},
	".tar":         {"application/x-tar", true, false},
	".mp3":         {"audio/mpeg", false, false},
	".m4a":         {"audio/mp4", false, false},
	".ogg":         {"audio/ogg", false, false},
	".opus":        {"audio/ogg", false, false},
	".flac":        {"audio/flac", false, false},
	".wav":         {"audio/wav", true, false},
	".mp4":         {"video/mp4", false, false},
	".webm":        {"video/webm", false, false},
	".mov":         {"video/quicktime", false, false},
	".glb":         {"model/gltf-binary", true, false},
	".gltf":        {"model/gltf+json", true, false},
}

func kindOf(name string) kind {
	if k, ok := kinds[strings.ToLower(path.Ext(name))]; ok {
		return k
	}
	return kind{mediaType: fallbackType}
}

// immutableDirs are where frameworks put files whose names have hashes.
var immutableDirs = []string{"_app/immutable/", "_next/static/", "_astro/"}

// isImmutable reports whether the content of a file can never change, because its
// name has a hash of it. It would rather not see a hash than see one where there
// is none: a file that is cached for a year cannot be called back.
func isImmutable(name string) bool {
	for _, dir := range immutableDirs {
		if strings.HasPrefix(name, dir) || strings.Contains(name, "/"+dir) {
			return true
		}
	}
	base := path.Base(name)
	k, known := kinds[strings.ToLower(path.Ext(base))]
	if !known || strings.HasPrefix(k.mediaType, "text/html") {
		return false
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	if k.mediaType == kinds[".map"].mediaType { // app.3f2a9c1b.js.map
		stem = strings.TrimSuffix(stem, path.Ext(stem))
	}
	separator := strings.LastIndexAny(stem, ".-_")
	if isHexHash(stem[separator+1:]) {
		return true
	}
	const short = 8 // the hashes of esbuild, Rollup and Vite
	n := len(stem) - short
	return k.code && n > 0 && strings.IndexByte(".-_", stem[n-1]) >= 0 && isShortHash(stem[n:])
}

func isHexHash(s string) bool {
	letters, digits := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			letters++
		default:
			return false
		}
	}
	return len(s) >= 8 && letters > 1 && digits > 1
}

// isShortHash reports whether s looks drawn from the alphabets of base64 or
// base32, rather than written by somebody.
func isShortHash(s string) bool {
	var lower, upper, digit bool
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digit = true
		case 'a' <= c && c <= 'z':
			lower = true
		case 'A' <= c && c <= 'Z':
			upper = true
		case c != '-' && c != '_':
			return false
		}
	}
	return digit && upper && (lower || !strings.ContainsAny(s, "0189-_"))
}
