# What an administrator changes.
running ./old.deb

keys() {
	cp /etc/denofn/authorized_keys saved.keys
	echo '# none' > /etc/denofn/authorized_keys
	fails git -C code ls-remote denofn
	cat saved.keys > /etc/denofn/authorized_keys
	git -C code ls-remote denofn
}
check "keys hold from the next connection on" keys

reload() {
	before=$(main_pid)
	edit_configuration 's/^#timeout = "30s"/timeout = 12/'
	systemctl reload denofn
	until_true 10 eval 'journal --lines 5 | grep -F "configuration not reread"'
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	cp -p saved /etc/denofn/denofn.toml
	systemctl reload denofn
	until_true 10 eval 'journal --lines 5 | grep -F "configuration reread"'
	[ "$(main_pid)" = "$before" ]
}
check "a reload with a mistake changes nothing, and one without is applied" reload

ports() {
	drop_in denofn.socket '[Socket]' 'ListenStream=' 'ListenStream=127.0.0.1:8080'
	drop_in denofn-ssh.socket '[Socket]' 'ListenStream=' 'ListenStream=2200'
	trap 'no_drop_ins; systemctl restart denofn.socket denofn-ssh.socket' EXIT
	systemctl restart denofn.socket denofn-ssh.socket
	[ "$(fetch http://127.0.0.1:8080/hello)" = 'Hello, world' ]
	fails curl --silent --max-time 2 $http/hello
	make_repository 2200
	git -C code ls-remote denofn
	no_drop_ins
	systemctl restart denofn.socket denofn-ssh.socket
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	make_repository 2222
	git -C code ls-remote denofn
}
check "addresses are changed by drop-ins" ports

idle_exit() {
	edit_configuration 's/^#idle_exit = .*/idle_exit = "2s"/; s/^#idle_timeout = "5m"/idle_timeout = "1s"/'
	systemctl restart denofn.service
	fetch $http/hello
	until_true 20 eval '[ "$(state denofn.service)" = inactive ]'
	all_listen
	[ "$(systemctl show --property Result --value denofn.service)" = success ]
	journal --lines 3 | grep -F 'nothing has happened'
	began=$(date +%s%N)
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	echo "woken and answered in $((($(date +%s%N) - began) / 1000000)) ms"
	until_true 20 eval '[ "$(state denofn.service)" = inactive ]'
}
check "idle, it exits and keeps its sockets; the next connection wakes it" idle_exit

without_admin() {
	systemctl disable --now denofn-admin.socket
	trap with_admin EXIT
	systemctl restart denofn.service
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	[ "$(state denofn-admin.socket)" = inactive ]
	journal --lines 10 --priority warning | grep -F 'no admin socket was passed'
}
with_admin() {
	systemctl enable denofn-admin.socket
	systemctl stop denofn.service
	systemctl start denofn-admin.socket
}
check "it serves without the admin socket, when that is disabled" without_admin
check "and with it again" admin http://denofn/v1/functions
