# A container with systemd as its first process.

nspawn='' init=''

# container_up ROOT
container_up() {
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --directory="$1" --machine="denofn-test-$$" --register=no \
		--keep-unit --private-network --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
		--boot --console=pipe < /dev/null > "$work/container.log" 2>&1 &
	nspawn=$!
	until_true 60 container_booted || {
		not_ok "container boots"
		tail -n 20 "$work/container.log"
		container_down
		return 1
	}
}

container_booted() {
	init=$(pgrep -P "$nspawn" -x systemd) && inside "systemctl is-system-running" 2> /dev/null | grep -qE 'running|degraded'
}

# inside COMMAND: runs it in the container as root.
inside() {
	nsenter --target "$init" --all -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		SYSTEMD_PAGER=cat SYSTEMD_COLORS=0 bash -c "cd /root && $1" < /dev/null
}

container_down() {
	[ -n "$nspawn" ] || return 0
	kill -s RTMIN+4 "$init" 2> /dev/null || true # poweroff
	local i
	for i in $(seq 100); do
		[ -d "/proc/$nspawn" ] || break
		sleep 0.1
	done
	kill -KILL "$init" "$nspawn" 2> /dev/null || true
	wait "$nspawn" 2> /dev/null || true
	nspawn='' init=''
}

# topic NAME: runs a topic in the container and counts what it reports.
topic() {
	inside "bash /root/t/topic container/$1" 2>&1 | tee "$work/topic.log" > /dev/null || true
	count_reported < "$work/topic.log"
	grep -q '^topic ended$' "$work/topic.log" || {
		not_ok "topic $1 ends"
		tail -n 5 "$work/topic.log"
	}
}

# fill ROOT: a copy of the base system with what topics use.
fill() {
	cp -a --reflink=auto "$base" "$1"
	mkdir -p "$1/root/t"
	cp -r $here/container $here/vm $here/lib.sh $here/topic $here/machine.sh "$1/root/t/"
	cp "$old" "$1/root/t/old.deb"
	cp "$new" "$1/root/t/new.deb"
	cp "$work/load" "$1/root/t/load"
	echo box > "$1/etc/hostname"
	printf '127.0.0.1 localhost box\n::1 localhost\n' > "$1/etc/hosts"
}

container_topics() {
	local root=$work/root names=() file name
	for file in $here/container/*.sh; do
		name=$(basename "$file" .sh)
		if wanted "${name#*-}"; then names+=("$name"); fi
	done
	[ ${#names[@]} -gt 0 ] || return 0
	fill "$root"
	if wanted archive; then make_archive "$root/srv/archive"; fi
	container_up "$root" || return 0
	say "container"
	for name in "${names[@]}"; do
		topic "$name"
		# A reboot ends the container; what is on its disk stays.
		if [ -e "$root/root/t/reboot" ]; then
			rm "$root/root/t/reboot"
			container_down
			container_up "$root" || return 0
		fi
	done
	if [ -e "$root/root/t/transcript" ]; then check "README shows the first five minutes as they are" transcript "$root/root/t/transcript"; fi
	container_down
}

# The first five minutes, as README.md shows them.
transcript() {
	if $update; then
		awk -v file="$1" '
			/^<!-- systemtest: transcript -->$/ { print; getline; print; while ((getline line < file) > 0) print line; skipping = 1; next }
			skipping && /^```$/ { skipping = 0 }
			!skipping' README.md > "$work/README.md"
		cp "$work/README.md" README.md
	fi
	awk '/^<!-- systemtest: transcript -->$/ { getline; showing = 1; next } showing && /^```$/ { exit } showing' README.md > "$work/shown"
	diff -u <(constant "$work/shown") <(constant "$1")
}

# constant FILE: without what is another at every run or on every host: keys, names,
# numbers and their units, dates, which controllers count, and the order of the sockets.
constant() {
	sed -E '/^ +(Tasks|Memory|CPU|IO|IP): /d; s/AAAA[A-Za-z0-9+\/]+/KEY/; s/fn-hello-[a-z0-9]+/fn-hello-NAME/; s/(Mon|Tue|Wed|Thu|Fri|Sat|Sun) /DAY /
		s/● denofn[a-z-]*\.socket/● SOCKET/; s/[0-9a-f]{7,}/HASH/g; s/[0-9]+(\.[0-9]+)?( ?(min|ms|s)\b)*/N/g; s/N( N)+/N/g; s/ +/ /g' "$1"
}
