# The packages themselves, before anybody installs them.

# The release, and one that came before it for upgrades: the same commit, until there
# is a former release to be had.
build_packages() {
	packaging/build --fast --out "$work" > "$work/build.log" 2>&1 || {
		cat "$work/build.log"
		exit 1
	}
	new=$(ls "$work"/denofn_*.deb)
	mkdir "$work/old"
	older_package "$new" "$work/old/denofn.deb"
	old=$work/old/denofn.deb
	CGO_ENABLED=0 go build -o "$work/load" ./$here/load
	say "packages: $(basename "$new")"
}

# older_package NEW OLD: the same package with a lower version, and a socket unit and a
# conffile that differ, as those of a former release do.
older_package() {
	local dir=$work/older
	dpkg-deb --raw-extract "$1" "$dir"
	sed -i 's/^Version: .*/Version: 0.0.9-1/' "$dir/DEBIAN/control"
	sed -i 's/^Backlog=.*/Backlog=128/' "$dir/lib/systemd/system/denofn.socket"
	echo '# The former release ended here.' >> "$dir/etc/denofn/denofn.toml"
	dpkg-deb -Zgzip -z1 --root-owner-group --build "$dir" "$2" > /dev/null
	rm -rf "$dir"
}

check_packages() {
	check "lintian has nothing to say, pedantic included" lint "$new"
	check "the same commit gives the same bytes" same_bytes
	check "an arm64 package is built, and lintian has nothing to say" other_architecture
	check "an .rpm is built, and rpm reads it" rpm_package
	check "man pages are well formed and rendered without warnings" man_pages
	check "completions are read by zsh and fish" completions
	check "the maintainer scripts are sh" scripts
}

lint() {
	local said
	said=$(lintian --allow-root --display-info --display-experimental --pedantic "$1")
	echo "$said"
	[ -z "$said" ]
}

same_bytes() {
	mkdir "$work/again"
	packaging/build --fast --out "$work/again"
	cmp "$new" "$work/again/$(basename "$new")"
	rm -r "$work/again"
}

other_architecture() {
	mkdir "$work/arm64"
	packaging/build --fast --arch arm64 --out "$work/arm64"
	lint "$work"/arm64/*.deb
	dpkg-deb --extract "$work"/arm64/*.deb "$work/arm64/files"
	od -An -tx1 -N 20 "$work/arm64/files/usr/lib/denofn/deno" | grep 'b7 00' # ELF for AArch64
}

rpm_package() {
	mkdir "$work/rpm"
	packaging/build --format rpm --out "$work/rpm"
	rpm -qip "$work"/rpm/*.rpm | grep -q '^Name *: denofn$'
	rpm -qlp "$work"/rpm/*.rpm | grep -qx /usr/lib/systemd/system/denofn.socket
	rm -r "$work/rpm"
}

man_pages() {
	local page
	for page in packaging/man/*.[1-8]; do
		mandoc -Tlint -W warning "$page"
		LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page" 2>&1 > /dev/null | tee /dev/stderr | (! grep .)
	done
}

completions() {
	zsh -n packaging/completions/denofn.zsh
	fish -n packaging/completions/denofn.fish
	fish -c 'source packaging/completions/denofn.fish; complete -C "denofn se"' | grep -q '^serve'
}

scripts() {
	local script
	for script in packaging/debian/p*; do dash -n "$script"; done
}
