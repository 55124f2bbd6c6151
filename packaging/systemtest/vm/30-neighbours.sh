# What a function's neighbour feels of a function that floods the machine, where all limits
# are real. The numbers are ratios in one run.

systemctl stop $sockets denofn.service

neighbours() {
	cp "$(dpkg -L denofn | grep /denofn-sandbox$)" /opt/sandbox/
	systemd-run --quiet --pipe --wait --collect --uid=denofn --property=Delegate=yes --property=PrivateTmp=yes \
		/opt/sandbox/neighbours -deno /usr/lib/denofn/deno -window 8s neighbour | tee neighbours.log
	grep -c ' ok$' neighbours.log
	fails grep -E 'MISSED|not judged' neighbours.log
}
check "VM: a neighbour's p99 stays below twice its quiet value in every flood" neighbours
