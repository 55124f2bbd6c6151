#compdef denofn
# zsh completion for denofn(1).

local -a commands
commands=(
	'serve:receive pushes and serve functions; systemd runs this'
	'version:print the versions of denofn, its bundler and Deno'
)
_arguments \
	'--config[configuration file]:file:_files' \
	'--help[show help]' \
	"1:command:{ _describe command commands }" \
	'*::argument:_files'
