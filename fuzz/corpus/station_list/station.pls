[playlist]
NumberOfEntries=2
File1=http://a.example:8000/x?t=1
Title1=A
Length1=-1
file2 = /y
Version=2
