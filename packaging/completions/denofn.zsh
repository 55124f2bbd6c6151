#compdef denofn
# zsh completion for denofn(1).

local -a commands
commands=(
	'serve:receive pushes and serve functions; systemd runs this'
	'ps:list the functions and their processes'
	'warm:start a process of a function and wait until it is ready'
	'stop:stop the processes of a function; the next request starts one again'
	'invoke:call a task, or any function, and write its result; INPUT - is standard input'
	'logs:show the latest entries that a function wrote; the journal has all of them'
	'releases:list the releases of a function that there are, the live one first'
	'rollback:go back to a former release of a function, the one before without an ID'
	'redeploy:deploy again what was pushed to a repository, or to that of a function'
	'rm:take a function down; a push that has it brings it back'
	'keys:list the keys that may push, and what each may'
	'doctor:tell what of the sandbox is in force, what is missing and how to mend it'
	'version:print the versions of denofn, its bundler and Deno'
)
_arguments \
	'--config[configuration file]:file:_files' \
	'--help[show help]' \
	"1:command:{ _describe command commands }" \
	'*::argument:_files'
