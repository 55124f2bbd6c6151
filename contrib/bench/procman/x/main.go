package main
import ("bufio";"fmt";"os";"path/filepath";"sort";"time";"os/exec";"syscall"
 "github.com/denofn/denofn/procman/sandbox")
func main(){
 if sandbox.IsHelper(){ sandbox.Main() }
 deno,_:=filepath.Abs("node_modules/@deno/linux-x64-glibc/deno")
 h,err:=sandbox.Open(sandbox.Config{Deno:deno}); if err!=nil {panic(err)}
 dir:="/tmp/pm/x"; os.MkdirAll(dir+"/run",0o700); os.MkdirAll(dir+"/cache",0o700)
 src,_:=os.ReadFile("/tmp/pm/m.js"); os.WriteFile(dir+"/main.js",src,0o600)
 one:=func(mode string) time.Duration {
  s:=dir+"/run/s.sock"; os.Remove(s)
  args:=[]string{"run","--quiet","--no-prompt","--no-config","--no-lock","--no-npm","--no-remote","--cached-only","--allow-net=unix:"+s,"--allow-read="+s,"--allow-write="+s,dir+"/main.js",s}
  env:=[]string{"HOME="+dir,"PATH=/usr/bin:/bin","NO_COLOR=1","DENO_NO_UPDATE_CHECK=1","DENO_DIR="+dir+"/cache"}
  var c *exec.Cmd
  if mode=="bare" { c=exec.Command(deno,args...); c.Env=env; c.Dir=dir } else {
   p:=sandbox.Profile{Args:args,Env:env,Dir:dir,ReadOnly:[]string{dir},ReadWrite:[]string{dir+"/run"}}
   if mode=="rwcache" {p.ReadWrite=append(p.ReadWrite,dir+"/cache")}
   if mode=="allro" {p.ReadOnly=[]string{"/"}}
   if mode=="allrw" {p.ReadWrite=[]string{"/"}}
   if mode=="net" {p.ReadWrite=[]string{"/"};p.Network=true}
   if mode=="exec" { p.Args=[]string{"--version"}; p.ReadWrite=[]string{"/"} }
   c,err=h.Command(p); if err!=nil{panic(err)}
  }
  if mode=="bareversion" { c=exec.Command(deno,"--version"); c.Env=env }
  out,_:=c.StdoutPipe(); c.Stderr=os.Stderr
  t:=time.Now(); if err:=c.Start();err!=nil{panic(err)}; bufio.NewReader(out).ReadString('\n'); d:=time.Since(t); time.Sleep(pause)
  syscall.Kill(c.Process.Pid,9); c.Wait(); return d
 }
 lim:=h.Cgroups()
 _=lim
 big,_:=os.ReadFile("/tmp/pm/big.js")
 for _,code:=range [][]byte{src,big} {
 os.WriteFile(dir+"/main.js",code,0o600)
 fmt.Println("bytes",len(code))
 for _,T:=range []int{-1,0,50,300,1500} { for _,runs:=range []int{1,2} {
  os.RemoveAll(dir+"/cache"); os.MkdirAll(dir+"/cache",0o700)
  if T>=0 { pause=time.Duration(T)*time.Millisecond; for range runs { one("bare") }; pause=0 }
  var ds []time.Duration
  for range 9 { ds=append(ds,one("ro")) }
  sort.Slice(ds,func(i,j int)bool{return ds[i]<ds[j]})
  fmt.Println("kill after",T,"runs",runs, ds[len(ds)/2], ds[0])
 }}
 for range 5 { one("bare") }
  fmt.Println("bare", one("bare"), one("bare"))
 }
}
var pause time.Duration
