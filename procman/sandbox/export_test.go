package sandbox

// LandlockABI is 0 where there is none.
func LandlockABI() int {
	abi, _ := landlockABI()
	return abi
}
