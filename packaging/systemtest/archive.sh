# An APT archive as packaging/release makes it, signed with a key of this test.

# make_archive DIR: DIR/former offers the former release, DIR/current both.
make_archive() {
	export GNUPGHOME=$work/gnupg
	mkdir -m 700 "$GNUPGHOME"
	gpg --batch --quiet --passphrase '' --quick-generate-key 'denofn test <test@denofn.dev>' ed25519 sign 2> "$work/gpg.log"
	mkdir -p "$1"
	check "packaging/release makes a signed archive" release_both "$1"
	unset GNUPGHOME
}

release_both() {
	cp "$old" "$work/denofn_0.0.9-1_amd64.deb"
	packaging/release --key test@denofn.dev --out "$work/release" "$work/denofn_0.0.9-1_amd64.deb"
	cp -a "$work/release/apt" "$1/former"
	packaging/release --key test@denofn.dev --out "$work/release" "$new"
	cp -a "$work/release/apt" "$1/current"
	(cd "$work/release" && sha256sum --check SHA256SUMS && gpg --verify SHA256SUMS.asc SHA256SUMS)
	[ "$(grep -c '^Package: denofn$' "$1/current/dists/stable/main/binary-amd64/Packages")" -eq 2 ]
}
