# What topics have in common. Runs in the container and in the virtual machine.

http=http://127.0.0.1:8000
sockets="denofn.socket denofn-ssh.socket denofn-admin.socket"

state() { systemctl is-active "$1" || true; }
all_listen() { for unit in $sockets; do [ "$(state "$unit")" = active ]; done; }
admin() { curl --silent --show-error --fail-with-body --max-time 30 --unix-socket /run/denofn-admin.sock "$@"; }
fetch() { curl --silent --show-error --fail-with-body --max-time "${FETCH_SECONDS:-60}" "$@"; }
apt_install() { apt-get install --quiet --yes --allow-downgrades -o Dpkg::Options::=--force-confold "$@"; }
journal() { journalctl --sync && journalctl --unit denofn --output cat "$@"; }
status() { systemctl status denofn.service || true; } # whose exit code is about something else
main_pid() { systemctl show --property MainPID --value denofn.service; }
restarts() { systemctl show --property NRestarts --value denofn.service; }

# What a check changes for itself is undone when it ends, well or not.
edit_configuration() {
	cp -p /etc/denofn/denofn.toml saved
	trap 'cp -p saved /etc/denofn/denofn.toml' EXIT
	sed -i "$@" /etc/denofn/denofn.toml
}

# drop_in UNIT LINE…: a drop-in of an administrator.
drop_in() {
	local dir=/etc/systemd/system/$1.d
	shift
	mkdir -p "$dir"
	printf '%s\n' "$@" > "$dir/test.conf"
	trap no_drop_ins EXIT
	systemctl daemon-reload
}

no_drop_ins() {
	rm -rf /etc/systemd/system/denofn*.d
	systemctl daemon-reload
}

# with_load COMMAND…: runs the command while clients send requests, and fails when one
# of those does.
with_load() {
	./load "$http/hello" 8 > load.out &
	local load=$!
	trap 'kill $load' EXIT
	until_true 20 fetch "$http/hello" > /dev/null
	"$@"
	trap - EXIT
	kill "$load"
	wait "$load" || { cat load.out; return 1; }
	cat load.out
}

# make_repository [PORT]: a key of our own, and a repository with functions.
make_repository() {
	[ -e key ] || ssh-keygen -q -t ed25519 -N '' -C test -f key
	cat > ssh_config <<END
Host denofn
HostName 127.0.0.1
Port ${1:-2222}
User git
IdentityFile /root/t/key
IdentitiesOnly yes
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
END
	export GIT_SSH_COMMAND="ssh -F /root/t/ssh_config"
	git config --global user.name Ada
	git config --global user.email ada@box
	git config --global init.defaultBranch main
	git config --global advice.detachedHead false
	[ ! -d code ] || return 0
	git init --quiet code
	mkdir -p code/hello code/slow code/noisy
	echo 'export default () => "Hello, world";' > code/hello/index.ts
	cat > code/slow/index.ts <<'END'
export default async (request: Request) => {
  const seconds = Number(new URL(request.url).searchParams.get("seconds") ?? 1);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  return "slept";
};
END
	cat > code/noisy/index.ts <<'END'
export default () => {
  console.log("one line");
  console.error("one mistake");
  return "written";
};
END
	git -C code add .
	git -C code commit --quiet -m 'functions'
	git -C code remote add denofn ssh://denofn/code
}

push() { git -C code push --quiet denofn main; }

# installed DEB: where an earlier topic of the same run has left it, and otherwise now.
installed() { dpkg --status denofn > /dev/null 2>&1 || apt_install "$1" > /dev/null 2>&1; }

# running DEB: installed, with a key and functions that are live.
running() {
	make_repository
	installed "$1"
	grep -qFf key.pub /etc/denofn/authorized_keys || cat key.pub >> /etc/denofn/authorized_keys
	push
}
