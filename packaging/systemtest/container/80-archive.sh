# apt update, install and upgrade from an archive in a folder. The machine has no network
# and no denofn.

from() {
	cp "/srv/archive/$1/denofn-archive-keyring.gpg" /usr/share/keyrings/denofn.gpg
	echo "deb [signed-by=/usr/share/keyrings/denofn.gpg] file:///srv/archive/$1 stable main" > /etc/apt/sources.list.d/denofn.list
	apt-get update -o Dir::Etc::sourcelist=sources.list.d/denofn.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 2>&1 | tee said
	fails grep -E '^(W|E):' said
}

install_former() {
	from former
	apt-get install --quiet --yes denofn
	[ "$(dpkg-query --show --showformat '${Version}' denofn)" = 0.0.9-1 ]
	[ "$(curl --silent $http/_denofn/health)" = ok ]
}
check "apt update && apt install denofn" install_former

upgrade_current() {
	from current
	apt-get upgrade --quiet --yes
	[ "$(dpkg-query --show --showformat '${Version}' denofn)" != 0.0.9-1 ]
	[ "$(curl --silent $http/_denofn/health)" = ok ]
}
check "apt update && apt upgrade" upgrade_current

forged() {
	echo >> /srv/archive/current/dists/stable/main/binary-amd64/Packages
	rm -f /srv/archive/current/dists/stable/main/binary-amd64/Packages.gz /var/lib/apt/lists/*denofn* /var/lib/apt/lists/*archive*
	fails from current
}
check "an archive that was tampered with is refused" forged

gone() {
	rm /etc/apt/sources.list.d/denofn.list /usr/share/keyrings/denofn.gpg
	apt-get purge --quiet --yes denofn
}
check "and purged again" gone
