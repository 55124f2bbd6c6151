# What the tests stand on: programs, the base system, the kernel.

base_packages=systemd,systemd-sysv,dbus,ca-certificates,git,openssh-client,curl,procps,iproute2

require_tools() {
	[ "$(id -u)" -eq 0 ] || skip_all "root: they boot a container and a virtual machine"
	unshare --mount true 2> /dev/null || skip_all "a machine that lets root make namespaces"
	contrib/need debootstrap:debootstrap systemd-nspawn:systemd-container qemu-system-x86_64:qemu-system-x86 \
		mke2fs:e2fsprogs lintian:lintian mandoc:mandoc apt-ftparchive:apt-utils gpg:gpg dpkg-deb:dpkg \
		man:man-db zsh:zsh fish:fish rpm:rpm > "$work/need.log" 2>&1 ||
		skip_all "programs that could not be installed: $(tail -n 1 "$work/need.log")"
	say "tools"
}

# A Debian 12 as small as it boots, made once.
prepare_base() {
	mkdir -p "$cache"
	base=$cache/base
	if [ ! -e "$base.ok" ]; then
		rm -rf "$base"
		debootstrap --variant=minbase --include=$base_packages bookworm "$base" > "$cache/debootstrap.log" 2>&1 ||
			skip_all "a Debian mirror: see $cache/debootstrap.log"
		touch "$base.ok"
	fi
	say "base system"
}

# Debian's kernel for virtual machines, without an initial file system: what it boots
# from is compiled in. Returns 1 when it cannot be had.
prepare_kernel() {
	kernel=$cache/vmlinuz
	[ ! -s "$kernel" ] || return 0
	local package
	package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image.*\)/\1/p' | head -n 1)
	[ -n "$package" ] || return 1
	{
		(cd "$work" && apt-get download "$package") &&
			dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -xO --wildcards './boot/vmlinuz-*' > "$work/vmlinuz" &&
			mv "$work/vmlinuz" "$kernel"
	} > "$work/kernel.log" 2>&1
}
