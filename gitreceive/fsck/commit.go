package fsck

import (
	"bytes"

	"github.com/go-git/go-git/v5/plumbing"
)

func checkCommit(content []byte, links Links) *finding {
	if f := checkHeader(content); f != nil {
		return f
	}
	if bytes.IndexByte(content, 0) >= 0 {
		return found("nulInCommit", "a zero byte in the commit")
	}
	rest := content
	value, ok := cutHeader(&rest, "tree")
	if !ok {
		return found("missingTree", "the first line is not that of a tree")
	}
	tree, ok := parseHash(value)
	if !ok || tree.IsZero() {
		return found("badTreeSha1", "the hash of the tree is malformed")
	}
	links.Link(Link{tree, plumbing.TreeObject})
	for {
		value, ok := cutHeader(&rest, "parent")
		if !ok {
			break
		}
		parent, ok := parseHash(value)
		if !ok || parent.IsZero() {
			return found("badParentSha1", "the hash of a parent is malformed")
		}
		links.Link(Link{parent, plumbing.CommitObject})
	}
	authors := 0
	for ; ; authors++ {
		value, ok := cutHeader(&rest, "author")
		if !ok {
			break
		}
		if f := checkIdentity(value); f != nil {
			return f
		}
	}
	switch authors {
	case 0:
		return found("missingAuthor", "there is no author")
	case 1:
	default:
		return found("multipleAuthors", "there are %d authors", authors)
	}
	if value, ok = cutHeader(&rest, "committer"); !ok {
		return found("missingCommitter", "there is no committer")
	}
	return checkIdentity(value)
}

func checkTag(content []byte, links Links) *finding {
	if f := checkHeader(content); f != nil {
		return f
	}
	rest := content
	value, ok := cutHeader(&rest, "object")
	if !ok {
		return found("missingObject", "the first line is not that of an object")
	}
	target, ok := parseHash(value)
	if !ok || target.IsZero() {
		return found("badObjectSha1", "the hash of the object is malformed")
	}
	if value, ok = cutHeader(&rest, "type"); !ok {
		return found("missingTypeEntry", "there is no type")
	}
	kind, err := plumbing.ParseObjectType(string(value))
	if err != nil || !kind.Valid() || kind.IsDelta() {
		return found("badType", "%q is not a type", value)
	}
	if _, ok = cutHeader(&rest, "tag"); !ok {
		return found("missingTag", "there is no name")
	}
	links.Link(Link{target, kind})
	// Tags of long ago have no tagger.
	if value, ok := cutHeader(&rest, "tagger"); ok {
		return checkIdentity(value)
	}
	return nil
}

// checkHeader makes sure that the lines before the message end and hold no zero
// byte.
func checkHeader(content []byte) *finding {
	header, _, ok := bytes.Cut(content, []byte("\n\n"))
	if bytes.IndexByte(header, 0) >= 0 {
		return found("nulInHeader", "a zero byte in the header")
	}
	if !ok && (len(content) == 0 || content[len(content)-1] != '\n') {
		return found("unterminatedHeader", "the header does not end")
	}
	return nil
}

// checkIdentity checks "Name <email> seconds zone".
func checkIdentity(line []byte) *finding {
	open := bytes.IndexAny(line, "<>")
	switch {
	case open < 0:
		return found("missingEmail", "%q has no e-mail address", line)
	case line[open] == '>':
		return found("badName", "%q has a name with > in it", line)
	case open == 0:
		return found("missingNameBeforeEmail", "%q has no name before the e-mail address", line)
	case line[open-1] != ' ':
		return found("missingSpaceBeforeEmail", "%q has no space before the e-mail address", line)
	}
	rest := line[open+1:]
	end := bytes.IndexAny(rest, "<>")
	if end < 0 || rest[end] != '>' {
		return found("badEmail", "%q has a malformed e-mail address", line)
	}
	rest, ok := bytes.CutPrefix(rest[end+1:], []byte(" "))
	if !ok {
		return found("missingSpaceBeforeDate", "%q has no space before the date", line)
	}
	date, zone, _ := bytes.Cut(rest, []byte(" "))
	switch {
	case len(date) == 0 || bytes.Trim(date, "0123456789") != nil && len(bytes.Trim(date, "0123456789")) > 0:
		return found("badDate", "%q has a malformed date", line)
	case len(date) > 1 && date[0] == '0':
		return found("zeroPaddedDate", "%q has a date with leading zeros", line)
	case len(date) > 18:
		return found("badDateOverflow", "%q has a date out of range", line)
	case len(zone) != 5 || zone[0] != '+' && zone[0] != '-' || len(bytes.Trim(zone[1:], "0123456789")) > 0:
		return found("badTimezone", "%q has a malformed time zone", line)
	}
	return nil
}
