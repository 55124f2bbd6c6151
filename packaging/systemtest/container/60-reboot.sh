# After a reboot.
make_repository

live() {
	all_listen
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	git -C code ls-remote denofn
}
check "a reboot serves what was live" live
