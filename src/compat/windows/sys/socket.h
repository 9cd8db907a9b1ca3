// The socket functions of POSIX are Winsock's. This folder is searched first when softlan is built for Windows, so
// that shared code names the headers that POSIX does.
#pragma once

#include <winsock2.h>
#include <ws2tcpip.h>
