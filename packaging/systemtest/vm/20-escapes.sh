# The sandbox's own tests, among them the table of ways to escape, on Debian's kernel, as
# the service's user and with the limits that only a delegated group can have.

systemctl stop $sockets denofn.service

sandbox_tests() {
	systemd-run --quiet --pipe --wait --collect --uid=denofn --property=Delegate=yes --property=PrivateTmp=yes \
		--property=WorkingDirectory=/opt/sandbox /opt/sandbox/sandbox.test -test.v -test.timeout 8m -test.run "$1" | tee tests.log
	grep -E '^--- PASS' tests.log
	fails grep -E '^ *--- (FAIL|SKIP)' tests.log
}
check "VM: the limits of groups" sandbox_tests '^(TestGroup|TestMemoryBomb|TestThreadBomb|TestCPULimit)$'
check "VM: every way to escape is closed" sandbox_tests '^TestEscapes'
check "VM: nothing can be executed but Deno in the same sandbox" sandbox_tests '^TestExecute$'
