# fish completion for denofn(1).

complete -c denofn -f
complete -c denofn -l config -r -F -d 'configuration file'
complete -c denofn -l help -d 'show help'
complete -c denofn -n '__fish_use_subcommand' -a serve -d 'receive pushes and serve functions; systemd runs this'
complete -c denofn -n '__fish_use_subcommand' -a version -d 'print the versions of denofn, its bundler and Deno'
