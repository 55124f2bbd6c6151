# What a function may use, with every controller there is. Debian's kernel.

# An emulated processor is slow.
export FETCH_SECONDS=240
sed -i 's/^#start_timeout = .*/start_timeout = "3m"/; s/^#timeout = "30s"/timeout = "2m"/; s/^#queue_timeout = .*/queue_timeout = "3m"/' /etc/denofn/denofn.toml
make_repository
mkdir -p code/hog code/spin code/threads code/caller
cat > code/hog/index.ts << 'END'
export default () => {
  const all: Uint8Array[] = [];
  for (let i = 0; i < 1000; i++) all.push(new Uint8Array(1 << 20).fill(i));
  return String(all.length);
};
END
echo '{"memory": "96M"}' > code/hog/registry.json
cat > code/spin/index.ts << 'END'
export default () => {
  for (const end = Date.now() + 1500; Date.now() < end;);
  return "spun";
};
END
echo '{"cpu": "40%"}' > code/spin/registry.json
cat > code/threads/index.ts << 'END'
export default () => "few";
END
echo '{"tasks": 40}' > code/threads/registry.json
cat > code/caller/index.ts << 'END'
export default async (request: Request) => {
  const host = new URL(request.url).searchParams.get("host");
  try {
    return await (await fetch(`http://${host}:8000/_denofn/health`, { signal: AbortSignal.timeout(20000) })).text();
  } catch (error) {
    return `failed: ${error}`;
  }
};
END
echo '{"permissions": ["--allow-net=127.0.0.8,127.0.0.9"], "timeout": "1m"}' > code/caller/registry.json
git -C code add .
git -C code commit --quiet -m 'functions that use a lot'
group() { echo /sys/fs/cgroup/system.slice/denofn.service/fn-"$1"-*; }

deployed() {
	uname -r | grep -E '^6\.1\.'
	cat key.pub >> /etc/denofn/authorized_keys
	git -C code push denofn main
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "VM: a push goes live on Debian's kernel" deployed

delegated() {
	for controller in cpu memory pids; do
		grep -w $controller /sys/fs/cgroup/system.slice/denofn.service/cgroup.subtree_control
	done
	[ "$(cat "$(group hello)/memory.max")" = 268435456 ]
	fails eval 'journal | grep -F "sandbox layer is missing"'
	denofn doctor
}
check "VM: cpu, memory and pids are delegated, no layer of the sandbox is missing" delegated

memory() {
	before=$(main_pid)
	other=$(cat "$(group hello)/cgroup.procs")
	fails fetch $http/hog
	until_true 30 eval 'journal | grep -F "process failed" | grep -F "function=hog" | grep -i memory'
	[ "$(main_pid)" = "$before" ]
	[ "$(cat "$(group hello)/cgroup.procs")" = "$other" ]
	[ "$(fetch $http/hello)" = 'Hello, world' ]
}
check "VM: memory.max ends the function, and neither the service nor its neighbours" memory

processor() {
	[ "$(fetch $http/spin)" = spun ]
	[ "$(cat "$(group spin)/cpu.max")" = '40000 100000' ]
	grep -E '^nr_throttled [1-9]' "$(group spin)/cpu.stat"
}
check "VM: cpu.max slows the function down" processor

tasks() {
	[ "$(fetch $http/threads)" = few ]
	[ "$(cat "$(group threads)/pids.max")" = 40 ]
	[ "$(cat "$(group threads)/pids.current")" -le 40 ]
}
check "VM: pids.max is set" tasks

addresses() {
	drop_in denofn.service '[Service]' 'IPAddressDeny=127.0.0.9'
	systemctl restart denofn.service
	[ "$(fetch "$http/caller?host=127.0.0.8")" = ok ]
	fetch "$http/caller?host=127.0.0.9" | grep '^failed'
	[ "$(fetch http://127.0.0.9:8000/hello)" = 'Hello, world' ] # activated sockets are not concerned
}
check "VM: IPAddressDeny= in a drop-in holds for functions" addresses
