# bash completion for denofn(1).

_denofn() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
	if [[ $previous == --config ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == --config ]]; then
			((i++))
		elif [[ ${COMP_WORDS[i]} != -* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--config --help' -- "$word")
	elif [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'serve ps warm stop invoke logs releases rollback redeploy rm keys doctor version' -- "$word")
	fi
}
complete -o filenames -F _denofn denofn
