# Nothing is lost, however the daemon ends.
running ./old.deb

restart_often() {
	for _ in $(seq 15); do
		sleep 0.3
		systemctl restart denofn.service
	done
}
check "15 restarts under load lose no connection" with_load restart_often

in_flight() {
	fetch "$http/slow?seconds=3" > answer &
	request=$!
	sleep 1
	before=$(main_pid)
	systemctl restart denofn.service
	wait $request
	[ "$(cat answer)" = slept ]
	[ "$(main_pid)" != "$before" ]
}
check "a request under way outlives a restart" in_flight

# Longer than TimeoutStopSec=: the daemon asks for more time while it drains.
long_drain() {
	drop_in denofn.service '[Service]' 'TimeoutStopSec=3s'
	systemctl restart denofn.service
	fetch "$http/slow?seconds=9" > answer &
	request=$!
	sleep 1
	systemctl restart --no-block denofn.service
	until_true 5 eval 'status | grep -F "Status: \"stopping: "'
	wait $request
	[ "$(cat answer)" = slept ]
	no_drop_ins
	[ -z "$(journalctl --quiet --unit denofn --since -15s --grep 'timed out')" ]
}
check "a stop that takes longer than its timeout is given more while requests run" long_drain

killed() {
	fetch $http/hello
	before=$(restarts)
	kill -KILL "$(main_pid)"
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	[ "$(restarts)" -gt "$before" ]
	[ "$(pgrep -u denofn -c -f 'deno run')" -le 3 ]
}
check "kill -9 of the daemon: the next request is answered, no process is left behind" killed

crash_loop() {
	edit_configuration '$ a nonsense = true'
	systemctl stop denofn.service
	fetch $http/hello > answer &
	request=$!
	until_true 40 eval '[ "$(restarts)" -ge 3 ]'
	all_listen
	journal --lines 30 --priority err | grep -F 'nonsense'
	cp -p saved /etc/denofn/denofn.toml
	wait $request
	[ "$(cat answer)" = 'Hello, world' ]
	all_listen
}
check "a crash loop leaves the sockets alive, and who waited is answered once it is mended" crash_loop

stalled() {
	drop_in denofn.service '[Service]' 'WatchdogSec=3s'
	systemctl restart denofn.service
	before=$(restarts)
	kill -STOP "$(main_pid)"
	until_true 30 eval '[ "$(restarts)" -gt "$before" ]'
	no_drop_ins
	journal | grep -F 'SIGABRT: abort' # with a stack trace
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "the watchdog ends a daemon that hangs, and its stack is in the journal" stalled

fed() {
	drop_in denofn.service '[Service]' 'WatchdogSec=1s'
	systemctl restart denofn.service
	before=$(main_pid)
	sleep 4
	[ "$(main_pid)" = "$before" ]
}
check "a daemon that answers itself is left alone" fed

waiting_connection() {
	systemctl stop denofn.service
	for _ in $(seq 50); do fetch $http/hello & done > answers
	wait
	[ "$(grep -o 'Hello, world' answers | wc -l)" -eq 50 ]
}
check "50 clients that come while it is down are all answered" waiting_connection
