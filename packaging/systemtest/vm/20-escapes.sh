# The sandbox's own tests, among them the table of ways to escape, on Debian's kernel, as
# the service's user and with the limits that only a delegated group can have.

systemctl stop $sockets denofn.service

# sandbox_tests USER PATTERN
sandbox_tests() {
	systemd-run --quiet --pipe --wait --collect --uid="$1" --property=Delegate=yes --property=PrivateTmp=yes \
		--property=WorkingDirectory=/opt/sandbox /opt/sandbox/sandbox.test -test.v -test.timeout 8m -test.run "$2" | tee tests.log
	grep -E '^--- PASS' tests.log
	fails grep -E '^ *--- (FAIL|SKIP)' tests.log
}
check "VM: the limits of groups" sandbox_tests denofn '^(TestGroup|TestMemoryBomb|TestThreadBomb|TestCPULimit)$'
check "VM: every way to escape is closed" sandbox_tests denofn '^TestEscapes($|FromDeno$)'
check "VM: nothing can be executed but Deno in the same sandbox" sandbox_tests denofn '^TestExecute$'
