vm_topics() { :; }
