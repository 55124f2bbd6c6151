# fish completion for denofn(1).

complete -c denofn -f
complete -c denofn -l config -r -F -d 'configuration file'
complete -c denofn -l help -d 'show help'
complete -c denofn -n '__fish_use_subcommand' -a serve -d 'receive pushes and serve functions; systemd runs this'
complete -c denofn -n '__fish_use_subcommand' -a ps -d 'list the functions and their processes'
complete -c denofn -n '__fish_use_subcommand' -a warm -d 'start a process of a function and wait until it is ready'
complete -c denofn -n '__fish_use_subcommand' -a stop -d 'stop the processes of a function; the next request starts one again'
complete -c denofn -n '__fish_use_subcommand' -a invoke -d 'call a task, or any function, and write its result; INPUT - is standard input'
complete -c denofn -n '__fish_use_subcommand' -a logs -d 'show the latest entries that a function wrote; the journal has all of them'
complete -c denofn -n '__fish_use_subcommand' -a releases -d 'list the releases of a function that there are, the live one first'
complete -c denofn -n '__fish_use_subcommand' -a rollback -d 'go back to a former release of a function, the one before without an ID'
complete -c denofn -n '__fish_use_subcommand' -a redeploy -d 'deploy again what was pushed to a repository, or to that of a function'
complete -c denofn -n '__fish_use_subcommand' -a rm -d 'take a function down; a push that has it brings it back'
complete -c denofn -n '__fish_use_subcommand' -a keys -d 'list the keys that may push, and what each may'
complete -c denofn -n '__fish_use_subcommand' -a doctor -d 'tell what of the sandbox is in force, what is missing and how to mend it'
complete -c denofn -n '__fish_use_subcommand' -a version -d 'print the versions of denofn, its bundler and Deno'
