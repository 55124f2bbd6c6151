# From the former release to this one, and back.
running ./old.deb

edited() {
	sed -i 's/^#deploy_branch = "main"/deploy_branch = "main" # as ever/' /etc/denofn/denofn.toml
	systemctl disable --now denofn-admin.socket
	fetch $http/hello
	[ "$(systemctl show --property Backlog --value denofn.socket)" = 128 ]
}
check "the former release runs, with an edited configuration and a disabled unit" edited

# A changed socket unit has to be restarted, for which connections are refused for an
# instant: told apart from an upgrade that does not change it.
changed_socket() {
	apt_install ./new.deb
	[ "$(systemctl show --property Backlog --value denofn.socket)" = 4096 ]
	ss -Hltn 'sport = 8000' | grep -w 4096
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "an upgrade applies a changed socket unit" changed_socket

again() {
	before=$(main_pid)
	apt_install --reinstall ./new.deb
	[ "$(main_pid)" != "$before" ]
}
check "an upgrade under load loses no connection" with_load again

after() {
	[ "$(dpkg-query --show --showformat '${Version}' denofn)" != 0.0.9-1 ]
	[ "$(readlink "/proc/$(main_pid)/exe")" = /usr/bin/denofn ]
	grep -F 'as ever' /etc/denofn/denofn.toml
	[ "$(systemctl is-enabled denofn-admin.socket || true)" = disabled ]
	[ "$(state denofn-admin.socket)" = inactive ]
	[ "$(systemctl show --property NeedDaemonReload --value denofn.service)" = no ]
	# Enabled, but not listening while the daemon runs: an upgrade starts it.
	systemctl enable denofn-admin.socket
	apt_install --reinstall ./new.deb
	all_listen
	admin http://denofn/v1/functions
}
check "the new daemon runs; what was edited and disabled has stayed" after

downgrade() {
	apt_install ./old.deb
	[ "$(dpkg-query --show --showformat '${Version}' denofn)" = 0.0.9-1 ]
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	apt_install ./new.deb
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "a downgrade serves what was live" downgrade

# A state folder that a later format was written to is refused, and left alone.
later_format() {
	systemctl stop denofn.service
	state=/var/lib/denofn/registry/state.json
	cp -p $state saved.state
	sed -i 's/"version": *[0-9]*/"version": 99/' $state
	systemctl start denofn.service && return 1
	systemctl stop denofn.service
	grep -E '"version": *99' $state
	journal --lines 20 | grep -F 'version'
	cp -p saved.state $state
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "a daemon that is too old for the state refuses to start and changes nothing" later_format

reboot_next() { touch /root/t/reboot; }
check "the machine is rebooted" reboot_next
