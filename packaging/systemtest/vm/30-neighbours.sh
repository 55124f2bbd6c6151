# What a function's neighbour feels of a function that floods the machine, where all limits
# are real. That it is answered is tested; how soon is a benchmark, whose ratios are shown:
# the machine below this one may be busy.

systemctl stop $sockets denofn.service

neighbours() {
	cp "$(dpkg -L denofn | grep /denofn-sandbox$)" /opt/sandbox/
	systemd-run --quiet --pipe --wait --collect --uid=denofn --property=Delegate=yes --property=PrivateTmp=yes \
		/opt/sandbox/neighbours -deno /usr/lib/denofn/deno -window 8s neighbour > neighbours.log 2>&1 || grep -E '^procman: [0-9]+ missed$' neighbours.log
	cat neighbours.log
	grep -E 'memory, pids, cpu$' neighbours.log # layers that are in force
	[ "$(grep -c 'p99 during a flood' neighbours.log)" = 6 ]
	fails grep 'not judged' neighbours.log
}
check "VM: a function is answered during every flood of its neighbour" neighbours
sed -n 's/^ *p99 during a flood of \(.*\) : alone *\(.*\)/        | p99 during a flood of \1, beside its quiet value: \2/p' neighbours.log
