# Removing and purging.
running ./new.deb

kept() {
	fetch $http/hello
	apt-get remove --quiet --yes denofn
	for unit in $sockets denofn.service; do [ "$(state "$unit")" != active ]; done
	[ -d /var/lib/denofn/repos ]
	grep -F 'as ever' /etc/denofn/denofn.toml
	getent passwd denofn
	fails pgrep -u denofn
}
check "remove stops everything and keeps state and configuration" kept

back() {
	apt_install ./new.deb
	all_listen
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	grep -F 'as ever' /etc/denofn/denofn.toml
}
check "installed again, it serves what was live" back

purged() {
	apt-get purge --quiet --yes denofn
	fails getent passwd denofn
	fails getent group denofn
	fails getent group denofn-admin
	find / -xdev -name '*denofn*' -not -path '/root/*' -not -path '/srv/*' -not -path '/var/cache/apt/*' -not -path '/proc/*' | tee left
	find / -xdev \( -nouser -o -nogroup \) -not -path '/root/*' -not -path '/srv/*' -not -path '/var/log/journal/*' | tee -a left
	find /run -name '*denofn*' -not -path '/run/systemd/*' -not -path '/run/log/*' | tee -a left
	[ ! -s left ]
	systemctl reset-failed
	fails eval 'systemctl list-units --all --plain --no-legend "denofn*" | grep .'
}
check "purge leaves no file, no user and no group" purged

purge_twice() {
	apt_install ./new.deb
	apt-get purge --quiet --yes denofn
	apt_install ./new.deb
	all_listen
}
check "it can be installed again after that" purge_twice
purge_quietly() { apt-get purge --quiet --yes denofn; }
check "and purged without ever having been started" purge_quietly
