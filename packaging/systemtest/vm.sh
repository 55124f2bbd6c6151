# A virtual machine with Debian's own kernel: control groups with all controllers, and
# the version of Landlock that Debian 12 has. QEMU emulates the processor, also where there
# is KVM, which does not work everywhere that it is offered; so all takes long, and nothing
# is asked about time.

# The longest that a run may take, in seconds.
vm_patience=600

vm_topics() {
	local names=() file name
	for file in $here/vm/*.sh; do
		name=$(basename "$file" .sh)
		if wanted "${name#*-}"; then names+=("$name"); fi
	done
	[ ${#names[@]} -gt 0 ] || return 0
	prepare_kernel || {
		skip "virtual machine" "no kernel package: see $work/kernel.log"
		return 0
	}
	make_image "${names[@]}"
	say "virtual machine: image"
	run_vm
	count_reported < "$work/vm.log"
	[ "$(grep -c '^topic ended' "$work/vm.log")" -eq ${#names[@]} ] || {
		not_ok "virtual machine: all topics end"
		tail -n 30 "$work/vm.log"
	}
}

# make_image TOPIC…: a disk with the base system, the package, and the sandbox's tests.
make_image() {
	local root=$work/vm topic unit
	fill "$root"
	systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --pipe \
		dpkg --install /root/t/new.deb < /dev/null > "$work/vm-install.log" 2>&1
	rm "$root"/root/t/*.deb
	mkdir -p "$root/opt/sandbox/node_modules/@deno/linux-packaged"
	CGO_ENABLED=0 go test -c -o "$root/opt/sandbox/sandbox.test" ./procman/sandbox
	CGO_ENABLED=0 go build -o "$root/opt/sandbox/neighbours" ./contrib/bench/procman
	cp -r procman/sandbox/testdata "$root/opt/sandbox/"
	ln -s /usr/lib/denofn/deno "$root/opt/sandbox/node_modules/@deno/linux-packaged/deno"

	for unit in serial-getty@.service getty@.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
		fstrim.timer dpkg-db-backup.timer systemd-timesyncd.service systemd-udevd.service systemd-udev-trigger.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	{
		echo '#!/bin/bash'
		echo 'exec > /dev/ttyS0 2>&1 < /dev/null'
		echo 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SYSTEMD_PAGER=cat SYSTEMD_COLORS=0'
		echo 'ip link set lo up'
		for topic in "$@"; do echo "bash /root/t/topic vm/$topic"; done
		echo 'sync; echo o > /proc/sysrq-trigger; sleep 60'
	} > "$root/root/t/run"
	printf '%s\n' '[Service]' 'ExecStart=/bin/bash /root/t/run' 'StandardOutput=tty' 'TTYPath=/dev/ttyS0' > "$root/etc/systemd/system/test.service"
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
	ln -s ../test.service "$root/etc/systemd/system/multi-user.target.wants/test.service"
	truncate -s 2G "$work/vm.ext4"
	mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$root" "$work/vm.ext4"
	rm -rf "$root"
}

run_vm() {
	timeout -k 5 "$vm_patience" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1536 \
		-nographic -no-reboot -nic none -kernel "$kernel" \
		-append "root=/dev/nvme0n1 rootfstype=ext4 rw console=ttyS0 quiet mitigations=off panic=-1 systemd.show_status=no" \
		-drive "file=$work/vm.ext4,if=none,id=disk,format=raw,cache=unsafe" -device nvme,drive=disk,serial=1 \
		< /dev/null > "$work/vm.raw" 2>&1 || true
	tr -d '\r' < "$work/vm.raw" > "$work/vm.log"
	rm -f "$work/vm.ext4"
}
