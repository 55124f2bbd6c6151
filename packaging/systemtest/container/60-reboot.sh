# After a reboot.
running ./new.deb

live() {
	all_listen
	[ "$(fetch $http/hello)" = 'Hello, world' ]
	git -C code ls-remote denofn
}
check "a reboot serves what was live" live
