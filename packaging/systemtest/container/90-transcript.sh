# The first five minutes, written down as they happen for README.md.

show() {
	printf '$ %s\n' "$*" >> transcript
	{ set +x; } 2> /dev/null
	eval "$*" >> transcript 2>&1
	set -x
	echo >> transcript
}

five_minutes() {
	rm -rf transcript my-functions /root/.ssh
	mkdir -m 700 /root/.ssh
	ssh-keygen -q -t ed25519 -N '' -C ada@laptop -f /root/.ssh/id_ed25519
	printf 'Host box\nStrictHostKeyChecking accept-new\n' > /root/.ssh/config
	unset GIT_SSH_COMMAND
	cp old.deb denofn_0.0.9-1_amd64.deb
	current=denofn_$(dpkg-deb --field new.deb Version)_amd64.deb
	cp new.deb "$current"
	mkdir my-functions
	show 'apt-get install -qq ./denofn_0.0.9-1_amd64.deb'
	show 'tee -a /etc/denofn/authorized_keys < ~/.ssh/id_ed25519.pub'
	cd my-functions
	git init --quiet
	mkdir hello
	printf '%s\n' 'export default (request: Request) => {' '  console.log("greeting", request.headers.get("user-agent"));' '  return "Hello, world\n";' '};' > hello/index.ts
	cd ..
	mv transcript my-functions/
	cd my-functions
	show 'cat hello/index.ts'
	show 'git add hello && git commit --quiet --message "Say hello"'
	show 'git remote add denofn ssh://git@box:2222/my-functions'
	show 'git push denofn main'
	show 'curl -s http://box:8000/hello'
	until_true 25 eval 'status | grep -F "1 warm; last deploy"'
	show 'systemctl status --lines=0 denofn'
	show 'journalctl --quiet --unit denofn --output cat DENOFN_FUNCTION=hello DENOFN_STREAM=stdout'
	show "apt-get install -qq ../$current && curl -s http://box:8000/hello"
	show 'apt-get remove -qq denofn'
	mv transcript ..
	cd ..
	sed -i -E '/^(Selecting previously|\(Reading database|Preparing to unpack|Processing triggers|debconf: delaying)/d; s/\x1b\[[0-9;]*[A-Za-z]//g; s/\r//g; s/ +$//; s/^(.{100}).+/\1…/' transcript
	sed -i '${/^$/d}' transcript
	cat transcript
	grep -F 'Hello, world' transcript
}
check "the first five minutes" five_minutes
