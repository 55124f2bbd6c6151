# From an empty machine to a service that waits for its first connection.

taken_port() {
	systemd-socket-activate --listen 8000 /bin/true > /dev/null 2>&1 &
	trap "kill $!" EXIT
	until_true 5 ss -Hltn 'sport = 8000'
	apt_install ./new.deb > said 2>&1
	grep -F 'denofn: denofn.socket cannot listen on [::]:8000' said
	grep -F 'systemctl edit denofn.socket' said
	[ "$(state denofn-ssh.socket)" = active ]
	apt-get purge --quiet --yes denofn
}
check "a taken port is told and does not keep the package from being installed" taken_port

offline() {
	fails curl --silent --max-time 2 http://192.0.2.1/
	apt_install ./old.deb > said 2>&1
	all_listen
	[ "$(state denofn.service)" = inactive ]
}
check "installs without a network; sockets listen, the daemon waits" offline

next_steps() {
	grep -A3 -F 'denofn waits for its first function:' said | tee steps
	grep -F 'tee -a /etc/denofn/authorized_keys < ~/.ssh/id_ed25519.pub' steps
	grep -F 'git remote add denofn ssh://git@box:2222/my-functions' steps
	grep -F 'git push denofn main' steps
}
check "the last lines say what to do next" next_steps

owners() {
	[ "$(stat -c '%U:%G %a' /etc/denofn)" = 'root:denofn 750' ]
	[ "$(stat -c '%U:%G %a' /etc/denofn/denofn.toml)" = 'root:denofn 640' ]
	[ "$(stat -c '%U:%G %a' /etc/denofn/authorized_keys)" = 'root:denofn 640' ]
	[ "$(stat -c '%U:%G %a' /var/lib/denofn)" = 'denofn:denofn 700' ]
	[ "$(stat -c '%U:%G %a' /run/denofn-admin.sock)" = 'root:denofn-admin 660' ]
	fails eval 'id -nG denofn | grep -w denofn-admin'
}
check "each file has the owner and the mode that it should" owners

starts_by() {
	systemctl stop denofn.service
	[ "$(state denofn.service)" = inactive ]
	"$@" || true
	until_true 10 systemctl is-active --quiet denofn.service
}
check "a connection over HTTP starts the daemon" starts_by fetch $http/_denofn/health
check "a connection over SSH starts the daemon" starts_by ssh-keyscan -p 2222 127.0.0.1
check "a connection to the admin socket starts the daemon" starts_by admin http://denofn/v1/functions

unit_files() {
	systemd-analyze verify denofn.service denofn.socket denofn-ssh.socket denofn-admin.socket > said 2>&1 || true # there are no pages on this machine
	fails eval 'grep denofn said | grep -v "Command .man"'
	systemd-analyze security denofn.service | tail -n 1
	systemd-analyze security --threshold=15 denofn.service > /dev/null
}
check "units are sound, and the service is exposed by 1.5 at most" unit_files

pages() {
	for page in man1/denofn.1 man5/denofn.toml.5 man5/registry.json.5 man8/denofn.8; do
		gzip -t "/usr/share/man/$page.gz"
	done
	denofn version
}
check "the pages are there, and the program says its version" pages
